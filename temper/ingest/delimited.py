"""A CSV or TSV file → batches of columns, whose values are texts: "NA" and "1" stay as they are."""

from collections.abc import Iterable, Iterator

from temper.core.errors import InputError
from temper.ingest import text_files
from temper.ingest.archives import ArchiveMember
from temper.ingest.columns import ColumnBatch
from temper.ingest.dialect import find_dialect, read_records
from temper.ingest.text_files import Note
from temper.params.data import CsvParams


def read(member: ArchiveMember, params: CsvParams | None, note: Note) -> Iterator[ColumnBatch]:
    """Yield the rows below the header.

    Raises:
        InputError: a row or the header is broken, or can be read in two ways.
    """
    dialect = find_dialect(member, params, note)
    with dialect.open_lines(member) as text:
        lines = text_files.read_lines(text, member.name)
        records = read_records(lines, dialect, member.name, note)
        _, header = next(records, (1, []))
        width = _named_width(header, member.name)
        rows = _check_widths(records, header, width, member.name)
        for batch in text_files.batched(rows, lambda row: sum(map(len, row))):
            values = zip(*batch, strict=True) if batch else [()] * width
            yield {name: list(v) for name, v in zip(header[:width], values, strict=True)}


def _named_width(header: list[str], name: str) -> int:
    """Count the columns up to the last one with a name."""
    width = len(header)
    while width and not header[width - 1].strip():
        width -= 1
    if not width:
        raise InputError(f"{name}:1: no header; the first line must name the columns")
    repeated = sorted({column for column in header[:width] if header[:width].count(column) > 1})
    if repeated:
        raise InputError(
            f"{name}:1: duplicate column name: {', '.join(map(repr, repeated))}; the header is "
            f"{', '.join(header)}"
        )
    return width


def _check_widths(
    records: Iterable[tuple[int, list[str]]], header: list[str], width: int, name: str
) -> Iterator[list[str]]:
    """Yield the non-empty rows without the empty fields of unnamed columns at the end."""
    for line, row in records:
        if row and len(row) != len(header):
            raise InputError(
                f"{name}:{line}: {len(row)} fields, but the header has {len(header)} "
                f"({', '.join(header)}); is a quote or separator missing? data.csv can set "
                "delimiter and quoting"
            )
        if any(row[width:]):
            value = next(filter(None, row[width:]))
            raise InputError(
                f"{name}:{line}: {value!r:.80} is in a column without a name; name the column in "
                "the header, or put the text it belongs to in quotes"
            )
        if row:
            yield row[:width]
