"""A CSV or TSV file → its encoding, delimiter and quoting, recognized or given by `data.csv`.

In CSV, `"` encloses a field; in TSV it is a character like any other. A file that has only one
consistent reading is read so, and what differs from the default of its suffix is noted; where two
are possible and differ, `data.csv` has to say which is meant.
"""

import csv
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, TextIO

from temper.core.errors import InputError
from temper.ingest import text_files
from temper.ingest.archives import ArchiveMember
from temper.ingest.columns import MAX_CHARACTERS
from temper.ingest.text_files import Note
from temper.params.data import CsvParams

DEFAULTS = {".csv": (",", "double"), ".tsv": ("\t", "none")}  # suffix → delimiter, quoting
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
MEANINGS = {
    "double": 'quotes (") enclose fields',
    "none": 'quotes (") are ordinary characters',
}
SAMPLE_LINES = 100  # that decide about the delimiter


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How fields stand in a file."""

    encoding: str
    delimiter: str
    quoting: str  # double or none

    def open_lines(self, member: ArchiveMember) -> AbstractContextManager[TextIO]:
        """Open the member as text whose lines keep their ends."""
        return text_files.open_text(member, self.encoding, newline="")

    def parse(self, lines: Iterable[str]) -> Any:
        """Return a `csv.reader`."""
        csv.field_size_limit(MAX_CHARACTERS)
        quoting = csv.QUOTE_NONE if self.quoting == "none" else csv.QUOTE_MINIMAL
        return csv.reader(lines, delimiter=self.delimiter, quoting=quoting, strict=True)


@dataclass
class Quotes:
    """What the quotes of a file show if each is read as a character."""

    width: int = 0  # fields of the first line
    is_table: bool = True  # every line has as many
    opened: int = 0  # first line with a field that a quote begins and no quote ends
    enclosed: int = 0  # first line with a field in quotes
    has_doubled: bool = False  # a field in quotes holds two quotes in a row
    whole_columns: set[int] | None = None  # columns in quotes, header and all


def find_dialect(member: ArchiveMember, params: CsvParams | None, note: Note) -> Dialect:
    """Return how to read a member: as the parameters say, or else as its content shows.

    Raises:
        InputError: two readings are possible, or the bytes are in no known encoding.
    """
    given = params.model_dump(exclude_none=True) if params is not None else {}
    delimiter, quoting = DEFAULTS[member.suffix]
    dialect = Dialect(
        encoding=text_files.find_encoding(member, note, given.get("encoding")),
        delimiter=given.get("delimiter", delimiter),
        quoting=given.get("quoting", quoting),
    )
    if "delimiter" not in given:
        dialect = replace(dialect, delimiter=_find_delimiter(member, dialect))
        if dialect.delimiter != delimiter:
            note(f"{member.name}: columns separated by {DELIMITERS[dialect.delimiter]}")
    if "quoting" not in given:
        dialect = replace(dialect, quoting=_find_quoting(member, dialect))
        if dialect.quoting != quoting:
            note(f"{member.name}: {MEANINGS[dialect.quoting]}")
    return dialect


def read_records(
    lines: Iterable[str], dialect: Dialect, name: str, note: Note
) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with the number of its first line; note records that hold rows."""
    reader = dialect.parse(lines)
    first, swallowing = 1, []
    try:
        for row in reader:
            last = reader.line_num
            if last > first and _are_rows(row, dialect.delimiter):
                swallowing.append((first, last))
            yield first, row
            first = last + 1
    except csv.Error as error:
        until = f" (read up to line {reader.line_num})" if reader.line_num > first else ""
        raise InputError(
            f"{name}:{first}: {error}{until}; is a quote missing? Inside a quoted field a quote is "
            "written twice; data.csv.quoting: none makes quotes ordinary characters"
        ) from None
    if swallowing:
        start, end = swallowing[0]
        note(
            f"warning: {name}:{start}: lines {start} to {end} are one row, as quotes enclose them, "
            f"but each could be a row; so could those of {len(swallowing)} rows in all. If quotes "
            "are ordinary characters, set data.csv.quoting: none"
        )


def _are_rows(record: list[str], delimiter: str) -> bool:
    """Say whether every line of a record has as many delimiters as a row."""
    lines = delimiter.join(record).splitlines()
    return len(record) > 1 and all(line.count(delimiter) == len(record) - 1 for line in lines)


def _find_delimiter(member: ArchiveMember, default: Dialect) -> str:
    """Return the delimiter with which the first lines are a table of several columns."""
    with default.open_lines(member) as text:
        sample = text_files.take_sample(text_files.read_lines(text, member.name), SAMPLE_LINES)
    possible = [
        delimiter
        for delimiter in DELIMITERS
        if any(
            _is_table(sample, replace(default, delimiter=delimiter, quoting=quoting))
            for quoting in ("double", "none")
        )
    ]
    if len(possible) > 1:
        raise InputError(
            f"{member.name}:1: columns may be separated by "
            f"{' or '.join(DELIMITERS[delimiter] for delimiter in possible)}: {sample[0][:80]!r}; "
            "set data.csv.delimiter"
        )
    return possible[0] if possible else default.delimiter


def _is_table(lines: list[str], dialect: Dialect) -> bool:
    """Say whether the lines, of which the last row may be cut off, have equally many fields."""
    widths: set[int] = set()
    try:
        widths.update(len(row) for row in dialect.parse(lines) if row)
    except csv.Error as error:
        if "unexpected end" not in str(error):
            return False
    return len(widths) == 1 and min(widths) > 1


def _find_quoting(member: ArchiveMember, default: Dialect) -> str:
    """Return `double` if quotes enclose fields, `none` if they are characters.

    Raises:
        InputError: both are possible, and the rows would differ.
    """
    quoted = replace(default, quoting="double")
    marks = _scan_quotes(member, default)
    if default.quoting == "double":
        if not (marks.is_table and marks.opened and marks.width > 1) or marks.enclosed:
            return "double"
        if _is_quoted_table(member, quoted, may_join_rows=True):
            raise _ambiguous(member, marks.opened)
        return "none"
    if not marks.is_table:
        is_quoted = marks.opened and _is_quoted_table(member, quoted, may_join_rows=False)
        return "double" if is_quoted else "none"
    if marks.opened:
        if marks.width == 1 and _is_quoted_table(member, quoted, may_join_rows=True):
            raise _ambiguous(member, marks.opened)
        return "none"
    if marks.enclosed and not (marks.has_doubled or marks.whole_columns):
        raise _ambiguous(member, marks.enclosed)
    return "double" if marks.enclosed else "none"


def _scan_quotes(member: ArchiveMember, dialect: Dialect) -> Quotes:
    """Read a member up to the first line of another width."""
    marks = Quotes()
    with dialect.open_lines(member) as text:
        for number, line in enumerate(text_files.read_lines(text, member.name), 1):
            if '"' not in line and line.count(dialect.delimiter) + 1 == marks.width:
                marks.whole_columns = set()
                continue
            fields = line.rstrip("\r\n").split(dialect.delimiter)
            if fields == [""]:
                continue
            in_quotes = set()
            for i, field in enumerate(fields):
                if not field.startswith('"'):
                    continue
                inner = field[1:-1]
                if len(field) > 1 and field[-1] == '"' and '"' not in inner.replace('""', ""):
                    marks.enclosed = marks.enclosed or number
                    marks.has_doubled |= '""' in inner
                    in_quotes.add(i)
                else:
                    marks.opened = marks.opened or number
            if marks.whole_columns is None:
                marks.width, marks.whole_columns = len(fields), in_quotes
            marks.whole_columns &= in_quotes
            if len(fields) != marks.width:
                marks.is_table = False
                break
    return marks


def _is_quoted_table(member: ArchiveMember, dialect: Dialect, *, may_join_rows: bool) -> bool:
    """Say whether all rows have equally many fields where quotes enclose fields.

    Args:
        member: to read.
        dialect: with quotes that enclose.
        may_join_rows: accept a row whose lines could each be one.
    """
    joined: list[str] = []
    width = 0
    try:
        with dialect.open_lines(member) as text:
            lines = text_files.read_lines(text, member.name)
            for _, row in read_records(lines, dialect, member.name, joined.append):
                width = width or len(row)
                if row and len(row) != width:
                    return False
    except InputError:
        return False
    return may_join_rows or not joined


def _ambiguous(member: ArchiveMember, line: int) -> InputError:
    return InputError(
        f'{member.name}:{line}: this quote (") may enclose a field or be a character of it; set '
        "data.csv.quoting to double or none"
    )
