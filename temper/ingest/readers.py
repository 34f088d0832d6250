"""A local file → batches of columns, with the place of every broken row.

CSV and TSV are text: "NA", "null" and "1" stay what they are. `READERS` names the formats; each may
also be packed as gzip or in a ZIP archive (`temper.ingest.archives`).
"""

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from temper.core.errors import InputError
from temper.ingest import archives
from temper.ingest.archives import ArchiveMember

ColumnBatch = dict[str, list]
ROWS = 1000
FIELD_LIMIT = 2**31 - 1  # a whole document may stand in one field


def find_files(name: str, split: str, pattern: str) -> list[Path]:
    """Return the files of a split: the file itself, or those of a folder that match.

    Raises:
        InputError: nothing is there, or nothing matches, or a format is unknown, or a text file,
            perhaps a README, lies among tables.
    """
    path = Path(name)
    wanted = pattern.replace("{split}", split)
    files = sorted(p for p in path.glob(wanted) if p.is_file()) if path.is_dir() else [path]
    if not path.exists():
        raise InputError(f"data.files.{split}: no such file or folder: {name}")
    if not files:
        raise InputError(
            f"data.files.{split}: no file in {name} matches data.glob {pattern!r}; "
            f"it holds {', '.join(sorted(p.name for p in path.iterdir())[:10]) or 'nothing'}"
        )
    for file in files:
        suffix, packing = archives.suffixes(file.name)
        if suffix not in READERS and packing != ".zip":
            raise InputError(
                f"{file}: unknown format {suffix!r}; known are {', '.join(READERS)}, each also "
                "with .gz, and .zip archives of them"
            )
    texts = [file for file in files if archives.suffixes(file.name)[0] == ".txt"]
    if texts and len(texts) < len(files):
        raise InputError(
            f"data.files.{split}: {texts[0]} is plain text among files of other formats; say in "
            f"data.glob which files of {name} are examples"
        )
    return files


def read(file: Path) -> Iterator[ColumnBatch]:
    """Yield the file's rows, about `ROWS` at a time; those of an archive member by member.

    Raises:
        InputError: a row is broken; names its line.
    """
    for part in archives.parts(file, READERS):
        with archives.named(part):
            yield from READERS[part.suffix](part)


def column_names(file: Path) -> list[str]:
    """Return the columns of a file, from its first batch."""
    for columns in read(file):
        return list(columns)
    return []


@contextmanager
def _text(
    part: ArchiveMember, encoding: str = "utf-8", newline: str | None = None
) -> Iterator[Any]:
    """Open a part as text."""
    with (
        part.open() as handle,
        io.TextIOWrapper(handle, encoding=encoding, newline=newline) as text,
    ):
        yield text


def _delimited(delimiter: str) -> Callable[[ArchiveMember], Iterator[ColumnBatch]]:
    def read_rows(part: ArchiveMember) -> Iterator[ColumnBatch]:
        csv.field_size_limit(FIELD_LIMIT)
        file = part.name
        with _text(part, "utf-8-sig", newline="") as handle:
            reader = csv.reader(_decoded(handle, file), delimiter=delimiter, strict=True)
            try:
                header = next(reader, [])
                if len(set(header)) < len(header):
                    raise InputError(f"{file}:1: a column name stands twice: {', '.join(header)}")
                rows: list[list[str]] = []
                for row in reader:
                    if not row:
                        continue
                    if len(row) != len(header):
                        raise InputError(
                            f"{file}:{reader.line_num}: {len(row)} fields, but the header has "
                            f"{len(header)} ({', '.join(header)}); is a quote or separator missing?"
                        )
                    rows.append(row)
                    if len(rows) == ROWS:
                        yield _columns(header, rows)
                        rows = []
                yield _columns(header, rows)
            except csv.Error as error:
                raise InputError(f"{file}:{reader.line_num}: {error}") from None

    return read_rows


def _columns(header: list[str], rows: list[list[Any]]) -> ColumnBatch:
    found = zip(*rows, strict=True) if rows else [()] * len(header)
    return {name: list(values) for name, values in zip(header, found, strict=True)}


def _decoded(handle: Any, file: str) -> Iterator[str]:
    """Yield the lines of a text file; bytes that are not UTF-8 are named by line."""
    number = 0
    try:
        for number, line in enumerate(handle, 1):  # noqa: B007 (used when the next line fails)
            yield line
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file}:{number + 1}: not UTF-8 ({error.reason}); save the file as UTF-8"
        ) from None


def _lines(part: ArchiveMember) -> Iterator[ColumnBatch]:
    """Yield the lines that are not empty as the column `text`."""
    rows: list[list[str]] = []
    with _text(part, "utf-8-sig") as handle:
        for line in _decoded(handle, part.name):
            if not line.strip():
                continue
            if len(rows) == ROWS:
                yield _columns(["text"], rows)
                rows = []
            rows.append([line.rstrip("\n")])
    yield _columns(["text"], rows)


def _json_lines(part: ArchiveMember) -> Iterator[ColumnBatch]:
    rows: list[dict] = []
    file = part.name
    with _text(part) as handle:
        for number, line in enumerate(_decoded(handle, file), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise InputError(f"{file}:{number}: not JSON: {error}") from None
            if not isinstance(row, dict):
                raise InputError(f"{file}:{number}: expected an object, found {line.strip():.40}")
            if len(rows) == ROWS:
                yield _records(rows)
                rows = []
            rows.append(row)
    yield _records(rows)


def _json(part: ArchiveMember) -> Iterator[ColumnBatch]:
    file = part.name
    try:
        with _text(part) as handle:
            rows = json.load(handle)
    except ValueError as error:
        raise InputError(f"{file}: not JSON: {error}") from None
    rows = rows.get("data") if isinstance(rows, dict) else rows
    if isinstance(rows, list) and rows and isinstance(rows[0], dict) and "paragraphs" in rows[0]:
        rows = list(_squad(rows))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{file}: expected a list of objects, or one under 'data'")
    for start in range(0, len(rows), ROWS):
        yield _records(rows[start : start + ROWS])


def _squad(articles: list[dict]) -> Iterator[dict]:
    """Yield a row per question of the nested form in which SQuAD is published."""
    for article in articles:
        for paragraph in article["paragraphs"]:
            for found in paragraph["qas"]:
                yield found | {"title": article.get("title"), "context": paragraph["context"]}


def _conll(part: ArchiveMember) -> Iterator[ColumnBatch]:
    """Yield sentences: a word a line, its tag in the last column, an empty line between."""
    rows: list[dict] = []
    words: list[list[str]] = []
    with _text(part) as handle:
        for line in itertools.chain(_decoded(handle, part.name), [""]):
            parts = line.split()
            if parts and parts[0] != "-DOCSTART-":
                words.append(parts)
            elif words and not parts:
                rows.append({"words": [w[0] for w in words], "tags": [w[-1] for w in words]})
                words = []
            if len(rows) == ROWS:
                yield _records(rows)
                rows = []
    yield _records(rows) or {"words": [], "tags": []}


def _image(part: ArchiveMember) -> Iterator[ColumnBatch]:
    """Yield one row: the file's bytes, and its folder's name as the label."""
    place = PurePosixPath(part.path.as_posix() if part.path else part.name.rpartition("!")[2])
    with part.open() as handle:
        yield {"image": [handle.read()], "label": [place.parent.name], "file": [place.name]}


def _records(rows: list[dict]) -> ColumnBatch:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _parquet(part: ArchiveMember) -> Iterator[ColumnBatch]:
    """Yield the table's rows, without the index that pandas adds to a table it writes."""
    import pyarrow.parquet as pq

    try:
        with part.on_disk() as path, pq.ParquetFile(path) as file:
            found = file.schema_arrow.pandas_metadata or {}
            index = [name for name in found.get("index_columns", []) if isinstance(name, str)]
            for batch in file.iter_batches(ROWS):
                columns = batch.to_pydict()
                yield {name: values for name, values in columns.items() if name not in index}
    except pa.ArrowInvalid as error:
        raise InputError(f"{part.name}: not Parquet: {error}") from None


def _arrow(part: ArchiveMember) -> Iterator[ColumnBatch]:
    with part.on_disk() as path, pa.memory_map(str(path)) as source:
        try:
            reader: Any = pa.ipc.open_stream(source)
        except pa.ArrowInvalid:
            try:
                opened = pa.ipc.open_file(source)
            except pa.ArrowInvalid as error:
                raise InputError(f"{part.name}: not Arrow: {error}") from None
            reader = (opened.get_batch(i) for i in range(opened.num_record_batches))
        for batch in reader:
            yield batch.to_pydict()


READERS: dict[str, Callable[[ArchiveMember], Iterator[ColumnBatch]]] = {
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".txt": _lines,
    ".json": _json,
    ".jsonl": _json_lines,
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".conll": _conll,
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp"), _image),
}
