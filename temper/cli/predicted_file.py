"""Columns with predictions → a CSV, TSV, JSON Lines or Parquet file, written batch by batch."""

import base64
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from temper.core import artifacts, csv_file
from temper.core.errors import InputError
from temper.tasks.base.arrays import as_rows

WriteBatch = Callable[[dict[str, list]], None]  # the same columns in every call
Types = Mapping[str, pa.DataType]
UNFIT = (pa.ArrowException, ValueError, TypeError, OverflowError)  # raised by `pa.array`
INFINITE = "an infinite number is no value of JSON; write .csv or .parquet"
ENTITY = {"type": pa.string(), "text": pa.string(), "first_word": pa.int64()}
ENTITIES = pa.list_(pa.struct(ENTITY | {"last_word": pa.int64()}))


def check_output(output: Path, files: list[Path]) -> None:
    """Check where the predictions go.

    Raises:
        InputError: an input file, a folder, a folder that does not exist, or an unknown format.
    """
    if output.suffix.lower() not in WRITERS:
        known = ", ".join(WRITERS)
        raise InputError(f"--output {output}: unknown format; known are {known}")
    if output.resolve() in [file.resolve() for file in files]:
        raise InputError(f"--output and --input are the same file ({output}); write to another one")
    if output.is_dir():
        raise InputError(f"--output {output}: a folder; expected the name of a file")
    if output.suffix.lower() == ".parquet" and output.exists() and not output.is_file():
        raise InputError(f"--output {output}: no regular file, which Parquet needs; use .jsonl")
    if not output.parent.is_dir():
        raise InputError(f"--output {output}: there is no folder {output.parent}; create it")


def describe(output: Path) -> str:
    """Return how a file is written, beside its name; what reads Parquet need not be told."""
    separated = {".csv": "comma, ", ".tsv": "tab, "}
    suffix = output.suffix.lower()
    return "" if suffix == ".parquet" else f" ({separated.get(suffix, '')}UTF-8)"


@contextmanager
def open_output(path: Path, types: Types) -> Iterator[WriteBatch]:
    """Yield a function that writes a batch; the file appears when the block ends without an error.

    Args:
        types: column → Arrow type, for Parquet; columns that are not there are predictions.

    Raises:
        InputError: the file cannot be written.
    """
    try:
        with (
            artifacts.atomic_file(path) as draft,
            WRITERS[path.suffix.lower()](draft, types) as write,
        ):
            yield write
    except OSError as error:  # such as a pipe that nobody reads any more
        if error.filename not in (None, str(path)):
            raise
        raise InputError(f"--output {path}: {error.strerror or error}") from error


def widen(known: pa.DataType, values: list, where: Callable[[int], str]) -> pa.DataType:
    """Return the Arrow type that holds what a column held so far (null: nothing) and more values.

    Raises:
        InputError: a value is of another type than those before it; `where` names its place.
    """

    def with_values(more: list) -> pa.DataType:
        fields = [pa.schema({"": type_}) for type_ in (known, _type_of(more))]
        return pa.unify_schemas(fields, promote_options="permissive").field(0).type

    try:
        return with_values(values)
    except UNFIT:
        for i, value in enumerate(values):
            try:
                known = with_values([value])
            except UNFIT:
                raise InputError(
                    f"{where(i)}: a Parquet column has one type, and this one held {known} so far; "
                    f"found {value!r:.80}; mend it, or write .jsonl or .csv"
                ) from None
        return known  # each fits alone: `_array` names the integer that float64 cannot hold


def _type_of(values: list) -> pa.DataType:
    """Return the Arrow type of values: its own choice, which has no nanoseconds, nor uint64.

    Raises:
        one of `UNFIT`: no type holds them.
    """
    try:
        found = pa.array(values).type
    except OverflowError:
        return pa.array(values, pa.uint64()).type
    is_precise = any(getattr(v, "nanosecond", 0) or getattr(v, "nanoseconds", 0) for v in values)
    if pa.types.is_timestamp(found) and is_precise:
        return pa.timestamp("ns", found.tz)
    return pa.duration("ns") if pa.types.is_duration(found) and is_precise else found


def check_finite(values: list, where: Callable[[int], str]) -> None:
    """Check that values can be written as JSON.

    Raises:
        InputError: an infinite number; `where` names its place.
    """
    for i, value in enumerate(values):
        if _is_infinite(value):
            raise InputError(f"{where(i)}: {INFINITE}")


def _is_infinite(value: Any) -> bool:
    if isinstance(value, dict | list | tuple):
        return any(map(_is_infinite, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and math.isinf(value)


def _json(value: Any, *, has_infinity: bool = False) -> str:
    """Return JSON, which has no NaN: it is a missing value, null.

    Args:
        has_infinity: write infinite numbers, as Python's reader takes them.

    Raises:
        InputError: an infinite number.
    """
    dump = partial(json.dumps, ensure_ascii=False, default=_plain, allow_nan=False)
    with suppress(ValueError):
        return dump(value)
    try:
        return dump(_with_null(value), allow_nan=has_infinity)
    except ValueError:  # of a prediction: those of the input were checked
        raise InputError(f"{INFINITE} ({value!r:.200})") from None


def _with_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_null(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_null(inner) for inner in value]
    return None if value != value else value  # NaN alone is another than itself


def _plain(value: Any) -> str:
    """Return what JSON has no type for as text: bytes in base64, dates and times in ISO form."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _cell(value: Any) -> Any:
    if isinstance(value, bytes):
        return _plain(value)
    return _json(value, has_infinity=True) if isinstance(value, list | dict) else value


def _delimited(delimiter: str) -> Callable[[Path, Types], Any]:
    @contextmanager
    def open_writer(path: Path, types: Types) -> Iterator[WriteBatch]:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer, header = csv_file.writer(file, delimiter), []

            def write(columns: dict[str, list]) -> None:
                if not header:
                    header.extend(columns)
                    writer.writerow(header)
                rows = zip(*columns.values(), strict=True)
                writer.writerows([_cell(value) for value in row] for row in rows)

            yield write

    return open_writer


@contextmanager
def _json_lines(path: Path, types: Types) -> Iterator[WriteBatch]:
    with path.open("w", encoding="utf-8") as file:

        def write(columns: dict[str, list]) -> None:
            file.writelines(f"{_json(row)}\n" for row in as_rows(columns))

        yield write


@contextmanager
def _parquet(path: Path, types: Types) -> Iterator[WriteBatch]:
    writers: list[pq.ParquetWriter] = []

    def write(columns: dict[str, list]) -> None:
        arrays = {name: _array(name, values, types.get(name)) for name, values in columns.items()}
        table = pa.table(arrays)
        if not writers:
            writers.append(pq.ParquetWriter(path, table.schema))
        writers[0].write_table(table)

    try:
        yield write
    finally:
        for writer in writers:
            writer.close()


def _array(name: str, values: list, known: pa.DataType | None) -> pa.Array:
    """Return a column of a known type, or of predictions; the lists of a batch may all be empty.

    Raises:
        InputError: integers of a column with fractions, too large for float64.
    """
    if name == "entities" and known is None:
        return pa.array(values, ENTITIES)
    try:
        array = pa.array(values, known)
    except UNFIT as error:
        raise InputError(f"column {name!r}: {error}; write .jsonl or .csv") from None
    return array.cast(pa.list_(pa.string())) if array.type == pa.list_(pa.null()) else array


WRITERS: dict[str, Callable[[Path, Types], Any]] = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".jsonl": _json_lines,
    ".parquet": _parquet,
}
