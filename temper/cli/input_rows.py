"""The input of `temper predict` and `temper next` → its rows, in batches or chunks to predict."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from temper.cli import predicted_file
from temper.core.errors import InputError
from temper.ingest import local_files
from temper.ingest.columns import (
    ColumnBatch,
    find_column,
    get_column,
    locate_in,
    num_rows,
    read_inputs,
)
from temper.ingest.file_names import AUDIO
from temper.ingest.text_files import Note
from temper.params.data import CsvParams
from temper.params.task_schema import MEDIA

MEDIA_FILES = (*local_files.IMAGES, *AUDIO)  # a row each
CHUNK_CHARACTERS = 10_000_000  # or bytes of images, after which a chunk ends early


class Batch(NamedTuple):
    """Some consecutive rows of a file, or of an archive's member."""

    source: str
    first_row: int  # index in the source
    columns: ColumnBatch


def find_input(path: Path, option: str = "--input") -> list[Path]:
    """Return the input file, or all files below a folder, in name order.

    Raises:
        InputError: there is none, or one is of an unknown format.
    """
    if path.is_dir() and not any(file.is_file() for file in path.rglob("*")):
        raise InputError(f"{option} {path}: a folder without files")
    return local_files.find_files(str(path), "input", "**/*", option)


def read_batches(
    path: Path, files: list[Path], csv: CsvParams | None, note: Note
) -> Iterator[Batch]:
    """Yield the rows of all files and members, one after the other.

    An image or a clip has a label where it is in a folder inside the input: the input's own name,
    as in `photos/a.png`, says nothing of it.

    Args:
        path: where the files were found.
    """
    for file in files:
        is_unlabelled = path in (file, file.parent) and file.suffix.lower() in MEDIA_FILES
        for source, batches in local_files.read_members(file, csv, note, Path("/")):
            first_row = 0
            for columns in batches:
                if is_unlabelled:
                    del columns["label"]
                yield Batch(source, first_row, columns)
                first_row += num_rows(columns)


def chunks(
    batches: Iterator[Batch], kept: Sequence[str], inputs: Mapping[str, str], chunk_rows: int
) -> Iterator[tuple[ColumnBatch, ColumnBatch]]:
    """Yield the columns to write and the model's inputs of rows that are predicted together.

    Small files share a chunk, so that batches of rows of similar length can be cut from it.
    """
    given: ColumnBatch = {name: [] for name in kept}
    examples: ColumnBatch = {name: [] for name in inputs}
    size = 0
    for source, first_row, columns in batches:
        for name in kept:
            given[name] += columns.get(name, [None] * num_rows(columns))
        for name, values in read_inputs(columns, inputs, locate_in(source, first_row)).items():
            examples[name] += values
            size += sum(len(value) for value in values if isinstance(value, str | bytes))
        if num_rows(examples) >= chunk_rows or size >= CHUNK_CHARACTERS:
            yield given, examples
            given, examples, size = {n: [] for n in kept}, {n: [] for n in inputs}, 0
    if num_rows(examples):
        yield given, examples


def survey(
    batches: Iterator[Batch], inputs: dict[str, str], added: Sequence[str], suffix: str
) -> tuple[int, dict[str, pa.DataType]]:
    """Read all rows; return their number and all columns, in the order in which they appear.

    Args:
        inputs: column → type of its values.
        added: the columns of predictions.
        suffix: of the output; Arrow types are found for .parquet, and else all are null.

    Raises:
        InputError: a file lacks an input column or has one that predict adds, or a value cannot be
            read or does not fit into its column.
    """
    count, is_typed = 0, suffix == ".parquet"
    types: dict[str, pa.DataType] = {}
    for source, parts in itertools.groupby(batches, attrgetter("source")):
        names, found = {}, {}
        for _, first_row, columns in parts:
            names |= columns
            found |= {k: v for k, v in inputs.items() if find_column(columns, k) is not None}
            locate = locate_in(source, first_row)
            read_inputs(columns, found, locate)
            for name, values in columns.items():
                is_media = isinstance(next(iter(values), None), bytes | dict)
                if not is_typed and inputs.get(name) in MEDIA and is_media:
                    continue  # a table of text has no place for a file, but for its name
                known, where = types.get(name, pa.null()), locate(name)
                types[name] = predicted_file.widen(known, values, where) if is_typed else known
                if suffix == ".jsonl":
                    predicted_file.check_finite(values, where)
            count += num_rows(columns)
        for name in inputs if names else ():  # an empty file of JSON Lines has no columns
            get_column(names | found, name, source)
        for name in names:
            if name in added:
                raise InputError(
                    f"{source}: predict would overwrite the column {name!r}; rename it"
                )
    return count, types
