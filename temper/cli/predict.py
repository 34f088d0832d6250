"""A file of examples → the same file with predictions, a window of rows in memory at a time.

`temper predict --model data/export --input new.csv --output scored.csv`
"""

import csv
import itertools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from temper.core.errors import InputError


def predict(
    model: Annotated[Path, typer.Option(help="A folder that the export stage wrote.")],
    input: Annotated[Path, typer.Option(help="Any format that training reads.")],
    output: Annotated[Path, typer.Option(help="CSV, TSV, JSONL or Parquet.")],
    engine: Annotated[str, typer.Option(help="onnx, int8 or torch.")] = "onnx",
    batch_size: Annotated[int, typer.Option(min=1, help="Rows per forward pass.")] = 32,
    num_threads: Annotated[int, typer.Option(min=1, help="Threads.")] = os.cpu_count() or 1,
) -> None:
    """Add predictions to every row of a file, in its order."""
    from tqdm import tqdm

    from temper.ingest import readers
    from temper.prediction.predictor import open_export

    if input.resolve() == output.resolve():
        raise InputError(f"--output is --input ({input}); write to another file")
    (file,) = readers.find_files(str(input), "input", "*")
    if output.suffix.lower() not in WRITERS:
        raise InputError(f"--output {output}: unknown format; known are {', '.join(WRITERS)}")
    predictor = open_export(model, engine, batch_size=batch_size, num_threads=num_threads)
    inputs = predictor.settings.task.inputs
    check_columns(file, next(readers.read(file), {}), inputs)
    partial = output.with_name(f".{output.name}.partial")
    count = 0
    with tqdm(unit="row", unit_scale=True) as bar, WRITERS[output.suffix.lower()](partial) as write:
        for columns in readers.read(file):
            size = len(next(iter(columns.values()), []))
            write(
                columns
                | (predictor.predict(converted(columns, inputs, file, count)) if size else {})
            )
            bar.update(size)
            count += size
    partial.replace(output)
    print(f"{count} rows in {output}")


def check_columns(file: Path, found: dict[str, list], inputs: dict[str, str]) -> None:
    """Refuse a file that lacks an input column or has one that predict would add."""
    from temper.ingest import columns

    for name in inputs:
        columns.get(found, name, str(file))
    for name in found:
        if name in ADDED or name.startswith("score_"):
            raise InputError(f"{file}: column {name!r} is one that predict adds; rename it")


def converted(
    found: dict[str, list], inputs: dict[str, str], file: Path, first: int
) -> dict[str, list]:
    """Return the input columns as the kinds of value the task reads."""
    from temper.ingest import columns

    return {
        name: columns.convert(
            columns.get(found, name, str(file)),
            kind,
            lambda i, name=name: f"{file} row {first + i + 1}, column {name!r}",
        )
        for name, kind in inputs.items()
    }


ADDED = ("prediction", "score", "scores", "choice", "entities")
Write = Callable[[dict[str, list]], None]


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _delimited(delimiter: str) -> Callable[[Path], Any]:
    @contextmanager
    def open_writer(path: Path) -> Iterator[Write]:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
            fresh = itertools.chain([True], itertools.repeat(False))

            def write(columns: dict[str, list]) -> None:
                if next(fresh):
                    writer.writerow(columns)
                rows = zip(*columns.values(), strict=True)
                writer.writerows([_cell(value) for value in row] for row in rows)

            yield write

    return open_writer


@contextmanager
def _json_lines(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file:

        def write(columns: dict[str, list]) -> None:
            for row in zip(*columns.values(), strict=True):
                found = dict(zip(columns, row, strict=True))
                file.write(json.dumps(found, ensure_ascii=False) + "\n")

        yield write


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writers: list[Any] = []

    def write(columns: dict[str, list]) -> None:
        table = pa.table(columns, schema=writers[0].schema if writers else None)
        if not writers:
            writers.append(pq.ParquetWriter(path, table.schema))
        writers[0].write_table(table)

    try:
        yield write
    finally:
        for writer in writers:
            writer.close()


WRITERS: dict[str, Callable[[Path], Any]] = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".jsonl": _json_lines,
    ".parquet": _parquet,
}
