"""A file of one format → batches of columns; an error names the line of a broken row."""

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from temper.core.errors import InputError
from temper.ingest import conll, delimited, json_files, tables, text_files
from temper.ingest.archives import ArchiveMember
from temper.ingest.columns import ColumnBatch
from temper.ingest.text_files import Note
from temper.params.data import CsvParams

MAX_IMAGE = 100_000_000  # bytes: a photograph of 50 megapixels without compression has 150 MB


def num_rows(batch: ColumnBatch) -> int:
    """Count the rows of a batch; 0 without columns."""
    return len(next(iter(batch.values()), []))


def _plain_text(member: ArchiveMember, note: Note) -> Iterator[ColumnBatch]:
    """Yield non-empty lines as the column `text`."""
    with text_files.open_text(member, text_files.find_encoding(member, note)) as text:
        lines = text_files.read_lines(text, member.name)
        for batch in text_files.batched((line.rstrip("\n") for line in lines if line.strip()), len):
            yield {"text": batch}


def _image(member: ArchiveMember) -> Iterator[ColumnBatch]:
    """Yield one row: the file's bytes, and its folder's name as the label."""
    path = PurePosixPath(member.path.as_posix() if member.path else member.name.rpartition("!")[2])
    with member.open() as stream:
        data = stream.read(MAX_IMAGE + 1)
    if len(data) > MAX_IMAGE:
        raise InputError(f"{member.name}: an image of more than {MAX_IMAGE:,} bytes; scale it down")
    yield {"image": [data], "label": [path.parent.name], "file": [path.name]}


Reader = Callable[[ArchiveMember, CsvParams | None, Note], Iterator[ColumnBatch]]

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
READERS: dict[str, Reader] = {
    ".csv": delimited.read,
    ".tsv": delimited.read,
    ".txt": lambda member, _, note: _plain_text(member, note),
    ".json": lambda member, _, note: json_files.read(member, note),
    ".jsonl": lambda member, _, note: json_files.read_lines(member, note),
    ".parquet": lambda member, *_: tables.read_parquet(member),
    ".arrow": lambda member, *_: tables.read_arrow(member),
    ".xlsx": lambda member, *_: tables.read_excel(member),
    ".conll": lambda member, _, note: conll.read(member, note),
    **dict.fromkeys(IMAGES, lambda member, *_: _image(member)),
}
