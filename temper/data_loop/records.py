"""A text file of rows → the text of each row, so that one label can be changed and nothing else."""

import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from temper.core.errors import InputError
from temper.ingest import archives, conll, local_files, text_files
from temper.ingest.archives import ArchiveMember
from temper.ingest.conll import Layout
from temper.ingest.dialect import DEFAULTS, Dialect, find_dialect
from temper.params.data import CsvParams

CONLL = ".conll"


class Record(NamedTuple):
    """A piece of a file."""

    line: int  # its first one, from 1
    text: str  # with the end of its last line
    is_row: bool  # no header and no empty line


class TextFile:
    """A CSV, TSV, JSON Lines or CoNLL file, plain or compressed.

    Attributes:
        dialect: how fields stand in it; None: JSON Lines or CoNLL.
        layout: where words and tags stand in it; None: no CoNLL.
        encoding: of all of it.
    """

    def __init__(self, member: ArchiveMember, csv: CsvParams | None):
        self.member, self.dialect, self.layout = member, None, None
        if member.suffix in DEFAULTS:
            self.dialect = find_dialect(member, csv, str)
            self.encoding = self.dialect.encoding
            return
        self.encoding = text_files.find_encoding(member, str)
        if member.suffix == CONLL:
            self.layout = conll.find_layout(member, self.encoding)

    def records(self) -> Iterator[Record]:
        """Yield all of the file, piece by piece."""
        with text_files.open_lines(self.member, self.encoding, newline="") as lines:
            if self.layout is not None:
                yield from sentences(lines, self.layout)
                return
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


def sentences(lines: Iterable[str], layout: Layout) -> Iterator[Record]:
    """Yield the sentences of a CoNLL file, each with the comments before and the empty line after.

    `line` is that of its first word. What is between sentences is no row.
    """
    pending: Record | None = None
    for is_between, group in itertools.groupby(enumerate(lines, 1), lambda x: ends_sentence(x[1])):
        numbered = list(group)
        if is_between and pending is not None and not numbered[0][1].strip():
            pending = pending._replace(text=pending.text + numbered.pop(0)[1])
        if pending is not None:
            yield pending
            pending = None
        words = words_of([line for _, line in numbered], layout) if not is_between else []
        if words:
            text = "".join(line for _, line in numbered)
            pending = Record(numbered[0][0] + words[0], text, True)
        else:
            yield from (Record(number, line, False) for number, line in numbered)
    if pending is not None:
        yield pending


def ends_sentence(line: str) -> bool:
    return not line.strip() or line.startswith(conll.DOCUMENT)


def words_of(lines: Sequence[str], layout: Layout) -> list[int]:
    """Return which of a sentence's lines hold a word; before the first, comments do not."""
    found: list[int] = []
    for number, line in enumerate(lines):
        is_comment = not found and layout.is_comment(line)
        is_unworded = layout.is_numbered and conll.UNWORDED.fullmatch(layout.split(line)[0])
        if not is_comment and not is_unworded and not ends_sentence(line):
            found.append(number)
    return found


def with_tags(text: str, layout: Layout, tags: Sequence[str]) -> str:
    """Return a sentence of a CoNLL file with other tags, and all else as it was."""
    assert layout.tag_column is not None, "a file without tags has no row to correct"
    lines = list(io.StringIO(text, newline=""))
    separator, around = (r"(\t)", "\r\n") if layout.has_tabs else ("( +)", " \r\n")
    for number, tag in zip(words_of(lines, layout), tags, strict=True):
        line, body = lines[number], lines[number].strip(around)
        parts = re.split(separator, body)  # a field, what follows it, a field …
        parts[2 * (layout.tag_column % layout.num_columns)] = tag
        start = line.index(body)
        lines[number] = line[:start] + "".join(parts) + line[start + len(body) :]
    return "".join(lines)


def first_lines(file: str, csv: CsvParams | None) -> list[int]:
    """Return the line on which each row of a file or an archive's member begins.

    [] where rows have no lines, as in Parquet.
    """
    path, _, _ = file.partition("!")
    for member in archives.open_members(Path(path), local_files.READERS):
        if member.name == file and member.suffix in (*DEFAULTS, ".jsonl", CONLL):
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
