"""Add predictions to a file of examples, reading and writing it in batches of rows.

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

import pyarrow as pa
import pyarrow.parquet as pq
import typer
from tqdm import tqdm

from temper.core.errors import InputError
from temper.ingest import columns as table_columns
from temper.ingest import local_files
from temper.prediction.predictor import open_export


def predict(
    model: Annotated[Path, typer.Option(help="A folder written by the export stage.")],
    input: Annotated[Path, typer.Option(help="Any format that training reads.")],
    output: Annotated[Path, typer.Option(help="CSV, TSV, JSONL or Parquet.")],
    engine: Annotated[str, typer.Option(help="onnx, int8 or torch.")] = "onnx",
    batch_size: Annotated[int, typer.Option(min=1, help="Rows per forward pass.")] = 32,
    num_threads: Annotated[int, typer.Option(min=1, help="Threads.")] = os.cpu_count() or 1,
) -> None:
    """Add predictions to every row of a file, in its order."""
    if input.resolve() == output.resolve():
        raise InputError(f"--output and --input are the same file ({input}); write to another one")
    (file,) = local_files.find_files(str(input), "input", "*")
    if output.suffix.lower() not in WRITERS:
        raise InputError(f"--output {output}: unknown format; known are {', '.join(WRITERS)}")
    predictor = open_export(model, engine, batch_size=batch_size, num_threads=num_threads)
    inputs = predictor.settings.task.inputs
    check_columns(file, next(local_files.read(file), {}), inputs)
    partial = output.with_name(f".{output.name}.partial")
    count = 0
    with tqdm(unit="row", unit_scale=True) as bar, WRITERS[output.suffix.lower()](partial) as write:
        for columns in local_files.read(file):
            size = len(next(iter(columns.values()), []))
            examples = convert_inputs(columns, inputs, file, count)
            write(columns | (predictor.predict(examples) if size else {}))
            bar.update(size)
            count += size
    partial.replace(output)
    print(f"wrote {count} rows to {output}")


def check_columns(file: Path, columns: dict[str, list], inputs: dict[str, str]) -> None:
    """Refuse a file without an input column, or with a column that predict would add."""
    for name in inputs:
        table_columns.get_column(columns, name, str(file))
    for name in columns:
        if name in ADDED or name.startswith("score_"):
            raise InputError(f"{file}: predict would overwrite the column {name!r}; rename it")


def convert_inputs(
    columns: dict[str, list], inputs: dict[str, str], file: Path, first: int
) -> dict[str, list]:
    """Convert the input columns to the types of value that the task reads.

    Args:
        columns: a batch of rows.
        inputs: column → type of its values.
        file: named in errors.
        first: index in the file of the batch's first row.
    """
    return {
        name: table_columns.convert(
            table_columns.get_column(columns, name, str(file)),
            value_type,
            lambda i, name=name: f"{file} row {first + i + 1}, column {name!r}",
        )
        for name, value_type in inputs.items()
    }


ADDED = ("prediction", "score", "scores", "choice", "entities")
WriteBatch = Callable[[dict[str, list]], None]


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _delimited(delimiter: str) -> Callable[[Path], Any]:
    @contextmanager
    def open_writer(path: Path) -> Iterator[WriteBatch]:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
            is_first = itertools.chain([True], itertools.repeat(False))

            def write(columns: dict[str, list]) -> None:
                if next(is_first):
                    writer.writerow(columns)
                rows = zip(*columns.values(), strict=True)
                writer.writerows([_cell(value) for value in row] for row in rows)

            yield write

    return open_writer


@contextmanager
def _json_lines(path: Path) -> Iterator[WriteBatch]:
    with path.open("w", encoding="utf-8") as file:

        def write(columns: dict[str, list]) -> None:
            for row in zip(*columns.values(), strict=True):
                record = dict(zip(columns, row, strict=True))
                file.write(json.dumps(record, ensure_ascii=False) + "\n")

        yield write


@contextmanager
def _parquet(path: Path) -> Iterator[WriteBatch]:
    writers: list[pq.ParquetWriter] = []

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
