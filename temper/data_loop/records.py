"""A text file of rows → the text of each row, so that one label can be changed and nothing else."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from temper.core.errors import InputError
from temper.ingest import archives, local_files, text_files
from temper.ingest.archives import ArchiveMember
from temper.ingest.dialect import DEFAULTS, Dialect, find_dialect
from temper.params.data import CsvParams


class Record(NamedTuple):
    """A piece of a file."""

    line: int  # its first one, from 1
    text: str  # with the end of its last line
    is_row: bool  # no header and no empty line


class TextFile:
    """A CSV, TSV or JSON Lines file, plain or compressed.

    Attributes:
        dialect: how fields stand in it; None: JSON Lines.
        encoding: of all of it.
    """

    def __init__(self, member: ArchiveMember, csv: CsvParams | None):
        self.member, self.dialect = member, None
        if member.suffix in DEFAULTS:
            self.dialect = find_dialect(member, csv, str)
            self.encoding = self.dialect.encoding
        else:
            self.encoding = text_files.find_encoding(member, str)

    def records(self) -> Iterator[Record]:
        """Yield all of the file, piece by piece."""
        with text_files.open_lines(self.member, self.encoding, newline="") as lines:
            if self.dialect is None:
                for number, line in enumerate(lines, 1):
                    yield Record(number, line, bool(line.strip()))
                return
            taken: list[str] = []
            first, has_header = 1, False
            for fields in self.dialect.parse(_remembering(lines, taken)):
                yield Record(first, "".join(taken), has_header and bool(fields))
                has_header = True
                first += len(taken)
                taken.clear()


def _remembering(lines: Iterable[str], taken: list[str]) -> Iterator[str]:
    for line in lines:
        taken.append(line)
        yield line


def first_lines(file: str, csv: CsvParams | None) -> list[int]:
    """Return the line on which each row of a file or an archive's member begins.

    [] where rows have no lines, as in Parquet.
    """
    path, _, _ = file.partition("!")
    for member in archives.open_members(Path(path), local_files.READERS):
        if member.name == file and member.suffix in (*DEFAULTS, ".jsonl"):
            return [record.line for record in TextFile(member, csv).records() if record.is_row]
    return []


def field_spans(text: str, dialect: Dialect) -> list[tuple[int, int]]:
    """Return where each field of a record begins and ends, its quotes included."""
    end, delimiter = len(text.rstrip("\r\n")), re.escape(dialect.delimiter)
    plain = f"[^{delimiter}]*"
    quoted = '"(?:[^"]|"")*"|' if dialect.quoting == "double" else ""
    field, spans, start = re.compile(quoted + plain, re.DOTALL), [], 0
    while True:
        match = field.match(text, start, end)
        assert match is not None
        spans.append(match.span())
        if match.end() >= end:
            return spans
        start = match.end() + 1


def as_field(value: str, old: str, dialect: Dialect) -> str:
    """Write a value as a field, in quotes where the old one was or the value needs them.

    Raises:
        InputError: the file has no quotes, and the value holds a delimiter or a line's end.
    """
    needs = any(character in value for character in (dialect.delimiter, "\r", "\n"))
    if dialect.quoting == "none":
        if needs:
            raise InputError(f"{value!r} holds what separates columns or rows of the file")
        return value
    if needs or '"' in value or old.startswith('"'):
        return '"' + value.replace('"', '""') + '"'
    return value
