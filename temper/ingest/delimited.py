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
    with dialect.open_lines(member) as lines:
        records = read_records(lines, dialect, member.name, note)
        _, header = next(records, (1, []))
        names = _named_columns(header, member.name)
        rows = _check_widths(records, header, len(names), member.name)
        for batch in text_files.batched(rows, lambda row: sum(map(len, row))):
            yield {name: [row[i] for row in batch] for i, name in enumerate(names)}


def _named_columns(header: list[str], name: str) -> list[str]:
    """Return the header up to the last column with a name."""
    names = list(header)
    while names and not names[-1].strip():
        names.pop()
    if not names:
        raise InputError(f"{name}:1: no header; the first line must name the columns")
    repeated = sorted({column for column in names if names.count(column) > 1})
    if repeated:
        raise InputError(
            f"{name}:1: duplicate column name: {', '.join(map(repr, repeated))}; the header is "
            f"{', '.join(header)}"
        )
    return names


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
        for value in filter(None, row[width:]):
            raise InputError(
                f"{name}:{line}: {value!r:.80} is in a column without a name; name the column in "
                "the header, or put the text it belongs to in quotes"
            )
        if row:
            yield row[:width]
