"""A file of one format → batches of columns; an error names the line of a broken row.

CSV and TSV values stay text: "NA", "null" and "1" are not converted.
"""

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, TextIO, TypeVar

import pyarrow as pa

from temper.core.errors import InputError
from temper.ingest.archives import ArchiveMember
from temper.ingest.columns import ColumnBatch

Row = TypeVar("Row")

ROWS = 1000  # of a batch, at most
FIELD_LIMIT = 2**31 - 1  # one field may hold a whole document


def num_rows(batch: ColumnBatch) -> int:
    """Count the rows of a batch; 0 without columns."""
    return len(next(iter(batch.values()), []))


@contextmanager
def _open_text(
    member: ArchiveMember, encoding: str = "utf-8", newline: str | None = None
) -> Iterator[TextIO]:
    with (
        member.open() as stream,
        io.TextIOWrapper(stream, encoding=encoding, newline=newline) as text,
    ):
        yield text


def _decode_lines(text: TextIO, name: str) -> Iterator[str]:
    """Yield lines; an error names the line whose bytes are not UTF-8."""
    number = 0
    try:
        for number, line in enumerate(text, 1):  # noqa: B007 (used when the next line fails)
            yield line
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}:{number + 1}: not UTF-8 ({error.reason}); save the file as UTF-8"
        ) from None


def _batched(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield lists of up to `ROWS` rows; a single empty list if there are none."""
    iterator = iter(rows)
    yield list(itertools.islice(iterator, ROWS))
    while batch := list(itertools.islice(iterator, ROWS)):
        yield batch


def _from_rows(header: list[str], rows: list[list[str]]) -> ColumnBatch:
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    return {name: list(values) for name, values in zip(header, columns, strict=True)}


def _from_records(records: list[dict[str, Any]]) -> ColumnBatch:
    names = dict.fromkeys(name for record in records for name in record)
    return {name: [record.get(name) for record in records] for name in names}


def _delimited(delimiter: str) -> Callable[[ArchiveMember], Iterator[ColumnBatch]]:
    def read_table(member: ArchiveMember) -> Iterator[ColumnBatch]:
        csv.field_size_limit(FIELD_LIMIT)
        with _open_text(member, "utf-8-sig", newline="") as text:
            lines = _decode_lines(text, member.name)
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            try:
                header = next(reader, [])
                if len(set(header)) < len(header):
                    raise InputError(f"{member.name}:1: duplicate column name: {', '.join(header)}")
                for batch in _batched(_check_widths(reader, header, member.name)):
                    yield _from_rows(header, batch)
            except csv.Error as error:
                raise InputError(f"{member.name}:{reader.line_num}: {error}") from None

    return read_table


def _check_widths(reader: Any, header: list[str], name: str) -> Iterator[list[str]]:
    """Yield the non-empty rows of a `csv.reader`; each must have a field per column."""
    for row in reader:
        if row and len(row) != len(header):
            raise InputError(
                f"{name}:{reader.line_num}: {len(row)} fields, but the header has {len(header)} "
                f"({', '.join(header)}); is a quote or separator missing?"
            )
        if row:
            yield row


def _plain_text(member: ArchiveMember) -> Iterator[ColumnBatch]:
    """Yield non-empty lines as the column `text`."""
    with _open_text(member, "utf-8-sig") as text:
        lines = _decode_lines(text, member.name)
        for batch in _batched(line.rstrip("\n") for line in lines if line.strip()):
            yield {"text": batch}


def _json_lines(member: ArchiveMember) -> Iterator[ColumnBatch]:
    with _open_text(member) as text:
        for batch in _batched(_json_records(_decode_lines(text, member.name), member.name)):
            yield _from_records(batch)


def _json_records(lines: Iterable[str], name: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise InputError(f"{name}:{number}: not JSON: {error}") from None
        if not isinstance(record, dict):
            raise InputError(f"{name}:{number}: expected an object, found {line.strip():.40}")
        yield record


def _json(member: ArchiveMember) -> Iterator[ColumnBatch]:
    try:
        with _open_text(member) as text:
            rows = json.load(text)
    except ValueError as error:
        raise InputError(f"{member.name}: not JSON: {error}") from None
    rows = rows.get("data") if isinstance(rows, dict) else rows
    if isinstance(rows, list) and rows and isinstance(rows[0], dict) and "paragraphs" in rows[0]:
        rows = list(_flatten_squad(rows))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{member.name}: expected a list of objects, or one under 'data'")
    for start in range(0, len(rows), ROWS):
        yield _from_records(rows[start : start + ROWS])


def _flatten_squad(articles: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield one row per question of SQuAD's nested format."""
    for article in articles:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                yield question | {"title": article.get("title"), "context": paragraph["context"]}


def _conll(member: ArchiveMember) -> Iterator[ColumnBatch]:
    """Yield sentences: one word per line, its tag in the last column, an empty line in between."""
    with _open_text(member) as text:
        for batch in _batched(_sentences(_decode_lines(text, member.name))):
            yield {
                "words": [[fields[0] for fields in sentence] for sentence in batch],
                "tags": [[fields[-1] for fields in sentence] for sentence in batch],
            }


def _sentences(lines: Iterable[str]) -> Iterator[list[list[str]]]:
    """Yield each sentence's lines, split into fields."""
    sentence: list[list[str]] = []
    for line in itertools.chain(lines, [""]):
        fields = line.split()
        if fields and fields[0] != "-DOCSTART-":
            sentence.append(fields)
        elif sentence and not fields:
            yield sentence
            sentence = []


def _image(member: ArchiveMember) -> Iterator[ColumnBatch]:
    """Yield one row: the file's bytes, and its folder's name as the label."""
    path = PurePosixPath(member.path.as_posix() if member.path else member.name.rpartition("!")[2])
    with member.open() as stream:
        yield {"image": [stream.read()], "label": [path.parent.name], "file": [path.name]}


def _parquet(member: ArchiveMember) -> Iterator[ColumnBatch]:
    """Yield the table's rows, without the index column that pandas writes."""
    import pyarrow.parquet as pq

    try:
        with member.on_disk() as path, pq.ParquetFile(path) as file:
            metadata = file.schema_arrow.pandas_metadata or {}
            index = [name for name in metadata.get("index_columns", []) if isinstance(name, str)]
            for batch in file.iter_batches(ROWS):
                columns = batch.to_pydict()
                yield {name: values for name, values in columns.items() if name not in index}
    except pa.ArrowInvalid as error:
        raise InputError(f"{member.name}: not Parquet: {error}") from None


def _arrow(member: ArchiveMember) -> Iterator[ColumnBatch]:
    with member.on_disk() as path, pa.memory_map(str(path)) as source:
        try:
            batches: Iterable[pa.RecordBatch] = pa.ipc.open_stream(source)
        except pa.ArrowInvalid:
            try:
                file = pa.ipc.open_file(source)
            except pa.ArrowInvalid as error:
                raise InputError(f"{member.name}: not Arrow: {error}") from None
            batches = (file.get_batch(i) for i in range(file.num_record_batches))
        for batch in batches:
            yield batch.to_pydict()


READERS: dict[str, Callable[[ArchiveMember], Iterator[ColumnBatch]]] = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".txt": _plain_text,
    ".json": _json,
    ".jsonl": _json_lines,
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".conll": _conll,
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp"), _image),
}
