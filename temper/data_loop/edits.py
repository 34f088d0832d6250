"""A file of rows → a copy of it with some rows left out and some cells changed, else as it was."""

import io
import itertools
import json
import re
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
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
JSON_KEY = re.compile(r'[\s,]*(?P<key>"(?:[^"\\]|\\.)*")\s*:\s*')  # between values of an object
EDITED = (*DEFAULTS, ".jsonl", records.CONLL, ".parquet")  # formats


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


def image_places(
    files: Sequence[Path], root: Path, changes: Mapping[str, Mapping[int, Change]]
) -> dict[Path, Path]:
    """Return where each image goes below the copy of `root`: to the folder of its label.

    Where an image of that name is there already, a corrected one is called after its old folder
    too, and numbered if need be.
    """
    places = {file: file.relative_to(root) for file in files}
    corrected = {file: changes[str(file)][1] for file in files if 1 in changes.get(str(file), {})}
    taken = {place for file, place in places.items() if file not in corrected}
    for file, change in corrected.items():
        label = change({"label": file.parent.name}).get("label", file.parent.name)
        folder = places[file].parent.parent / label
        names = [file.name, f"{file.parent.name}-{file.name}"]
        numbered = (f"{file.parent.name}-{file.stem}-{i}{file.suffix}" for i in itertools.count(2))
        free = (folder / name for name in itertools.chain(names, numbered))
        places[file] = next(place for place in free if place not in taken)
        taken.add(places[file])
    return places


def copy(file: Path, target: Path, edit: Edit, csv: CsvParams | None) -> None:
    """Write the copy; an image as it is, if it is kept.

    Raises:
        InputError: a label cannot be written in the file's form.
    """
    suffix = file.suffix.lower()
    if suffix in local_files.IMAGES and 1 not in edit.kept:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if suffix in local_files.IMAGES:
        shutil.copyfile(file, target)
    elif suffix == ".parquet":
        copy_parquet(file, target, edit)
    else:
        copy_text(file, target, edit, csv)


def copy_text(file: Path, target: Path, edit: Edit, csv: CsvParams | None) -> None:
    """Copy CSV, TSV, JSON Lines or CoNLL: encoding, line ends, quotes and spaces stay."""
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
                where = f"{file}:{record.line}"
                if number in edit.changes:
                    change = edit.changes[number]
                    if source.layout is not None:
                        text = records.with_tags(text, source.layout, change({})["tags"])
                    elif source.dialect is None:
                        text = changed_json(text, change, where)
                    else:
                        text = changed_fields(text, header, source.dialect, change, where)
            elif not header and source.dialect is not None:
                header = fields_of(text, source.dialect)
            written.write(text)


def fields_of(text: str, dialect: Dialect) -> list[str]:
    return next(dialect.parse(io.StringIO(text, newline="")))


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


def changed_json(line: str, change: Change, where: str) -> str:
    """Return a line with an object whose values differ in some keys, `a.b` b inside a.

    All else stays, character for character; a key that is not there becomes the first one.

    Raises:
        InputError: the object that a key is inside is not there.
    """
    row = json.loads(line)
    is_escaped = line.isascii() and "\\u" in line
    for name, value in change(row).items():
        start, key = line.index("{"), name
        if name not in row and "." in name:
            outer, _, key = name.rpartition(".")
            if not isinstance(row.get(outer), dict):
                raise InputError(f"{where}: there is no object {outer!r} to write {key!r} into")
            start = spans_of_values(line, start)[outer][0]
        spans = spans_of_values(line, start)
        first, last = spans.get(key, (start + 1, start + 1))
        is_tight = "," in line[first:last] and ", " not in line[first:last]
        separators = (",", ":") if is_tight else None
        text = json.dumps(value, ensure_ascii=is_escaped, separators=separators)
        if key not in spans:
            text = f"{json.dumps(key, ensure_ascii=is_escaped)}: {text}{', ' if spans else ''}"
        line = line[:first] + text + line[last:]
    return line


def spans_of_values(text: str, start: int) -> dict[str, tuple[int, int]]:
    """Return where the values of an object of JSON begin and end, by key; it begins at `start`."""
    decoder, spans, at = json.JSONDecoder(), {}, start + 1
    while (match := JSON_KEY.match(text, at)) is not None:
        key, first = json.loads(match["key"]), match.end()
        _, at = decoder.raw_decode(text, first)
        spans[key] = (first, at)
    return spans


def copy_parquet(file: Path, target: Path, edit: Edit) -> None:
    """Copy a Parquet file, with its schema; a column `a.b` is the field b of a."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(file)
    rows = [i for i in range(table.num_rows) if i + 1 in edit.kept]
    columns: dict[str, list[Any]] = {}
    for number, change in edit.changes.items():
        cells = table.slice(number - 1, 1).to_pylist()[0]
        for name, value in change(cells).items():
            is_inside = name not in cells and "." in name
            outer, _, key = name.rpartition(".") if is_inside else (name, "", "")
            column = columns.setdefault(outer, table.column(outer).to_pylist())
            column[number - 1] = (column[number - 1] or {}) | {key: value} if is_inside else value
    for name, column in columns.items():
        at, field = table.schema.names.index(name), table.schema.field(name)
        table = table.set_column(at, field, pa.array(column, type=field.type))
    pq.write_table(table.take(rows) if len(rows) < table.num_rows else table, target)
