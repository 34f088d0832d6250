"""A file of rows → a copy of it with some rows left out and some cells changed, else as it was."""

import json
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temper.core.errors import InputError
from temper.data_loop import records
from temper.data_loop.records import TextFile
from temper.ingest import archives, local_files
from temper.ingest.dialect import DEFAULTS, Dialect
from temper.params.data import CsvParams

Change = Callable[[Mapping[str, Any]], dict[str, Any]]  # a row's columns → those to change
STYLES: tuple[Any, ...] = (  # of a line of JSON
    {"separators": (", ", ": "), "ensure_ascii": False},
    {"separators": (", ", ": "), "ensure_ascii": True},
    {"separators": (",", ":"), "ensure_ascii": False},
    {"separators": (",", ":"), "ensure_ascii": True},
)
EDITED = (*DEFAULTS, ".jsonl", ".parquet")  # formats


@dataclass(frozen=True)
class Edit:
    """What becomes of a file's rows, which are numbered from 1."""

    kept: Collection[int]
    changes: Mapping[int, Change]


def check(file: Path) -> None:
    """Refuse a file that cannot be copied so that only labels differ.

    Raises:
        InputError: it is compressed, or of a format without such a copy.
    """
    suffix, compression = archives.suffixes(file.name)
    if compression:
        raise InputError(
            f"{file}: --apply writes no compressed files; unpack it, and name that one"
        )
    if suffix not in (*EDITED, *local_files.IMAGES):
        raise InputError(
            f"{file}: --apply writes {', '.join(EDITED)} and folders of images; save it as one of "
            "these, and run temper doubts again"
        )


def copy(file: Path, target: Path, edit: Edit, csv: CsvParams | None) -> None:
    """Write the copy; an image goes to the folder of its label.

    Raises:
        InputError: a label cannot be written in the file's form.
    """
    suffix = file.suffix.lower()
    if suffix in local_files.IMAGES:
        if 1 in edit.kept:
            changed = edit.changes[1]({"label": file.parent.name}) if 1 in edit.changes else {}
            target = target.parent.with_name(changed.get("label", target.parent.name)) / target.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if suffix == ".parquet":
        copy_parquet(file, target, edit)
    else:
        copy_text(file, target, edit, csv)


def copy_text(file: Path, target: Path, edit: Edit, csv: CsvParams | None) -> None:
    """Copy CSV, TSV or JSON Lines: encoding, line ends, quotes and spaces stay as they are."""
    (member,) = archives.open_members(file, local_files.READERS)
    source, number = TextFile(member, csv), 0
    header: list[str] = []
    with target.open("w", encoding=source.encoding, newline="") as written:
        for record in source.records():
            text = record.text
            if record.is_row:
                number += 1
                if number not in edit.kept:
                    continue
                if number in edit.changes and source.dialect is None:
                    text = changed_json(text, edit.changes[number])
                elif number in edit.changes and source.dialect is not None:
                    where = f"{file}:{record.line}"
                    text = changed_fields(text, header, source.dialect, edit.changes[number], where)
            elif not header and source.dialect is not None:
                header = fields_of(text, source.dialect)
            written.write(text)


def fields_of(text: str, dialect: Dialect) -> list[str]:
    return next(dialect.parse(text.splitlines(keepends=True)))


def changed_fields(
    text: str, header: list[str], dialect: Dialect, change: Change, where: str
) -> str:
    """Return a record of CSV or TSV with other values in some columns.

    Raises:
        InputError: a value does not fit a file without quotes.
    """
    spans = records.field_spans(text, dialect)
    cells = dict(zip(header, fields_of(text, dialect), strict=True))
    by_column = {header.index(name): value for name, value in change(cells).items()}
    for column in sorted(by_column, reverse=True):
        start, end = spans[column]
        try:
            field = records.as_field(str(by_column[column]), text[start:end], dialect)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        text = text[:start] + field + text[end:]
    return text


def changed_json(line: str, change: Change) -> str:
    """Return a line with an object whose values differ in some keys, `a.b` b inside a."""
    row = json.loads(line)
    style = next((s for s in STYLES if json.dumps(row, **s) == line.strip()), STYLES[0])
    for name, value in change(row).items():
        inner, key = row, name
        if name not in row and "." in name:
            outer, _, key = name.rpartition(".")
            inner = row[outer]
        inner[key] = value
    start = line[: len(line) - len(line.lstrip())]
    return start + json.dumps(row, **style) + line[len(line.rstrip()) :]


def copy_parquet(file: Path, target: Path, edit: Edit) -> None:
    """Copy a Parquet file, with its schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(file)
    rows = [i for i in range(table.num_rows) if i + 1 in edit.kept]
    for number, change in edit.changes.items():
        cells = table.slice(number - 1, 1).to_pylist()[0]
        for name, value in change(cells).items():
            column, field = table.column(name).to_pylist(), table.schema.field(name)
            column[number - 1] = value
            at = table.schema.names.index(name)
            table = table.set_column(at, field, pa.array(column, type=field.type))
    pq.write_table(table.take(rows) if len(rows) < table.num_rows else table, target)
