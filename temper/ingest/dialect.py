"""A CSV or TSV file → its encoding, delimiter and quoting, recognized or given by `data.csv`.

In CSV, `"` encloses a field; in TSV it is a character like any other. A file that has only one
consistent reading is read so, and what differs from the default of its suffix is noted; where two
are possible and differ, `data.csv` has to say which is meant.
"""

import csv
import itertools
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from temper.core.errors import InputError
from temper.ingest import text_files
from temper.ingest.archives import ArchiveMember
from temper.ingest.columns import MAX_CHARACTERS
from temper.ingest.text_files import Note
from temper.params.data import CsvParams

DEFAULTS = {".csv": (",", "double"), ".tsv": ("\t", "none")}  # suffix → delimiter, quoting
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
MEANINGS = {"double": 'quotes (") enclose fields', "none": 'quotes (") are ordinary characters'}
SAMPLE_LINES, SAMPLE_CHARACTERS = 100, 1 << 20  # that decide about the delimiter, at most
ENCLOSED = re.compile('"[^"]*(?:""[^"]*)*"')


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How fields stand in a file."""

    encoding: str
    delimiter: str
    quoting: str  # double or none

    def open_lines(self, member: ArchiveMember) -> AbstractContextManager[Iterator[str]]:
        """Open the member as lines that keep their ends."""
        return text_files.open_lines(member, self.encoding, newline="")

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
    must_enclose: bool = False  # a field in quotes holds two quotes in a row, or names a column


def find_dialect(member: ArchiveMember, params: CsvParams | None, note: Note) -> Dialect:
    """Return how to read a member: as the parameters say, or else as its content shows.

    Raises:
        InputError: two readings are possible, or the bytes are in no known encoding.
    """
    given = params.model_dump(exclude_none=True) if params is not None else {}
    default = dict(zip(("delimiter", "quoting"), DEFAULTS[member.suffix], strict=True))
    encoding = text_files.find_encoding(member, note, given.get("encoding"))
    dialect = Dialect(**default | given | {"encoding": encoding})
    with dialect.open_lines(member) as lines:
        sample, num_characters = [], 0
        for line in itertools.islice(lines, SAMPLE_LINES):
            sample.append(line)
            num_characters += len(line)
            if num_characters > SAMPLE_CHARACTERS:
                break
        if "delimiter" not in given:
            dialect = replace(dialect, delimiter=_find_delimiter(sample, dialect, member.name))
        if "quoting" not in given:
            quotes = _scan_quotes(itertools.chain(sample, lines), dialect.delimiter)
            dialect = replace(dialect, quoting=_find_quoting(member, dialect, quotes))
    if dialect.delimiter != given.get("delimiter", default["delimiter"]):
        note(f"{member.name}: columns separated by {DELIMITERS[dialect.delimiter]}")
    if dialect.quoting != given.get("quoting", default["quoting"]):
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


def _find_delimiter(sample: list[str], default: Dialect, name: str) -> str:
    """Return the delimiter with which a file's first lines are a table of several columns."""
    possible = [
        delimiter
        for delimiter in DELIMITERS
        if any(
            _is_table(sample, replace(default, delimiter=delimiter, quoting=quoting))
            for quoting in MEANINGS
        )
    ]
    if len(possible) > 1:
        raise InputError(
            f"{name}:1: columns may be separated by "
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


def _find_quoting(member: ArchiveMember, default: Dialect, quotes: Quotes) -> str:
    """Return `double` if quotes enclose fields, `none` if they are characters.

    Raises:
        InputError: both are possible, and the rows would differ.
    """
    find = _quoting_of_csv if default.quoting == "double" else _quoting_of_tsv
    is_quoted, ambiguous_line = find(member, default, quotes)
    if ambiguous_line:
        raise InputError(
            f'{member.name}:{ambiguous_line}: this quote (") may enclose a field or be a character '
            "of it; set data.csv.quoting to double or none"
        )
    return "double" if is_quoted else "none"


def _quoting_of_csv(member: ArchiveMember, dialect: Dialect, quotes: Quotes) -> tuple[bool, int]:
    """Return whether quotes enclose fields, and a line where they may not, or 0.

    They do, unless they open fields of a table that none of them closes.
    """
    if not quotes.is_table or not quotes.opened or quotes.enclosed or quotes.width == 1:
        return True, 0
    return False, quotes.opened * _is_quoted_table(member, dialect)


def _quoting_of_tsv(member: ArchiveMember, dialect: Dialect, quotes: Quotes) -> tuple[bool, int]:
    """Return whether quotes enclose fields, and a line where they may do the other, or 0.

    They do not, unless only so the lines are a table, or they enclose whole fields of one.
    """
    if not quotes.is_table:
        return bool(quotes.opened) and _is_quoted_table(member, dialect, joins_rows=False), 0
    if quotes.opened:
        is_column = quotes.width == 1
        return False, quotes.opened * (is_column and _is_quoted_table(member, dialect))
    return bool(quotes.enclosed), 0 if quotes.must_enclose else quotes.enclosed


def _scan_quotes(lines: Iterable[str], delimiter: str) -> Quotes:
    """Look at the fields of lines up to the first one of another width."""
    quotes = Quotes()
    for number, line in enumerate(lines, 1):
        fields = line.rstrip("\r\n").split(delimiter)
        if fields == [""]:
            continue
        for field in fields if '"' in line else ():
            if ENCLOSED.fullmatch(field):
                quotes.must_enclose |= not quotes.width or '""' in field[1:-1]
                quotes.enclosed = quotes.enclosed or number
            elif field.startswith('"'):
                quotes.opened = quotes.opened or number
        quotes.width = quotes.width or len(fields)
        if len(fields) != quotes.width:
            quotes.is_table = False
            break
    return quotes


def _is_quoted_table(member: ArchiveMember, dialect: Dialect, *, joins_rows: bool = True) -> bool:
    """Say whether all rows have equally many fields where quotes enclose fields.

    Args:
        joins_rows: accept a row whose lines could each be one.
    """
    dialect, joined, widths = replace(dialect, quoting="double"), [], set[int]()
    try:
        with dialect.open_lines(member) as lines:
            for _, row in read_records(lines, dialect, member.name, joined.append):
                widths |= {len(row)} if row else set()
                if len(widths) > 1:
                    return False
    except InputError:
        return False
    return joins_rows or not joined
