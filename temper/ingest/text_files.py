"""A text file in any of the usual encodings → its lines, of bounded length."""

import codecs
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TextIO, TypeVar

from temper.core.errors import InputError
from temper.ingest.archives import ArchiveMember
from temper.ingest.columns import MAX_CHARACTERS

Note = Callable[[str], object]  # takes a line about how a file is read
Row = TypeVar("Row")

ROWS = 1000  # of a batch, at most
BATCH_CHARACTERS = 5 * MAX_CHARACTERS  # after which a batch ends early
CHUNK = 1 << 20  # characters
BROKEN = "\udcff"  # stands for bytes that an encoding does not have; no text can hold it
MAX_FOREIGN_LETTERS = 0.3  # share of the letters: French and German have 5 %, Greek nearly all
BYTE_ORDER_MARKS = {  # UTF-32's begins with UTF-16's
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

codecs.register_error("temper-broken", lambda error: (BROKEN, getattr(error, "end")))  # noqa: B009


@contextmanager
def open_text(
    member: ArchiveMember, encoding: str, newline: str | None = None, errors: str = "strict"
) -> Iterator[TextIO]:
    """Open a member as text, after `find_encoding` has read it without an error.

    Raises:
        InputError: the encoding needs a byte order mark that is not there.
    """
    with (
        member.open() as stream,
        io.TextIOWrapper(stream, encoding=encoding, newline=newline, errors=errors) as text,
    ):
        try:
            yield text
        except UnicodeError as error:
            raise InputError(
                f"{member.name}: not {encoding}: {error}; see data.csv.encoding"
            ) from error


@contextmanager
def open_lines(
    member: ArchiveMember, encoding: str, newline: str | None = None, errors: str = "strict"
) -> Iterator[Iterator[str]]:
    """Open a member as lines with their ends.

    Raises:
        InputError: a line is longer than `MAX_CHARACTERS`; see also `open_text`.
    """
    with open_text(member, encoding, newline, errors) as text:
        yield _bounded_lines(text, member.name)


def _bounded_lines(text: TextIO, name: str) -> Iterator[str]:
    for number, line in enumerate(iter(partial(text.readline, MAX_CHARACTERS + 1), ""), 1):
        if len(line) > MAX_CHARACTERS:
            raise InputError(
                f"{name}:{number}: a line of more than {MAX_CHARACTERS:,} characters, the most "
                "that one text may have; divide it into several rows"
            )
        yield line


def batched(rows: Iterable[Row], size: Callable[[Row], int]) -> Iterator[list[Row]]:
    """Yield lists of up to `ROWS` rows and about `BATCH_CHARACTERS`; one empty list without rows.

    Args:
        size: counts the characters of a row.
    """
    batch: list[Row] = []
    num_characters, is_first = 0, True
    for row in rows:
        batch.append(row)
        num_characters += size(row)
        if len(batch) == ROWS or num_characters > BATCH_CHARACTERS:
            yield batch
            batch, num_characters, is_first = [], 0, False
    if batch or is_first:
        yield batch


def find_encoding(member: ArchiveMember, note: Note, given: str | None = None) -> str:
    """Return the encoding in which a member can be read to its end.

    A byte order mark decides, then UTF-8; other bytes are read as cp1252 (Windows, Western Europe,
    which is Latin-1 and more) if they make sense so.

    Args:
        note: is told what was recognized, unless it is UTF-8.
        given: `data.csv.encoding`.

    Raises:
        InputError: bytes are not in the encoding given, or not clearly in one of these.
    """
    with member.open() as stream:
        start = stream.read(4)
    marked = next((name for mark, name in BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)
    encoding = given or marked or "utf-8"
    if codecs.lookup(encoding).name == "utf-8" and marked == "utf-8-sig":
        encoding = marked  # the mark is no part of the first column's name
    num_broken, num_foreign, _ = _scan(member, encoding)
    if num_broken and (given or marked):
        hint = "" if given else ", which its first bytes announce"
        raise _undecodable(member, encoding, f"not {encoding.upper()}{hint}")
    if num_broken and num_foreign:
        raise _undecodable(member, encoding, "not UTF-8, though other lines are")
    if num_broken:
        num_broken, _, sample = _scan(member, "cp1252")
        letters = [character for character in sample if character.isalpha()]
        num_foreign = sum(not letter.isascii() for letter in letters)
        if num_broken or num_foreign > MAX_FOREIGN_LETTERS * len(letters):
            raise _undecodable(member, encoding, "not UTF-8, and no cp1252 (Western Europe) either")
        note(f"{member.name}: read as cp1252 (Windows, Western Europe), as it is not UTF-8")
        return "cp1252"
    if marked not in (None, "utf-8-sig"):
        note(f"{member.name}: read as {encoding.upper()}, by its byte order mark")
    return encoding


def _scan(member: ArchiveMember, encoding: str) -> tuple[int, int, str]:
    """Count a member's broken places and its other characters beyond ASCII.

    Returns: both counts, and the first chunk that has any.
    """
    num_broken = num_foreign = 0
    sample, is_first = "", True
    with open_text(member, encoding, errors="temper-broken") as text:
        for chunk in iter(partial(text.read, CHUNK), ""):
            if is_first:
                _refuse_binary(chunk, member.name)
                is_first = False
            if not chunk.isascii():
                sample = sample or chunk
                broken = chunk.count(BROKEN)
                num_broken += broken
                num_foreign += len(chunk) - len(chunk.encode("ascii", "ignore")) - broken
    return num_broken, num_foreign, sample


def _refuse_binary(chunk: str, name: str) -> None:
    """Refuse a first chunk that is no text in the encoding: every tenth character is NUL."""
    if chunk.startswith("version https://git-lfs"):
        raise InputError(f"{name}: a pointer of Git LFS in place of the file; run git lfs pull")
    if chunk.count("\0") > len(chunk) / 10:
        raise InputError(
            f"{name}: not text: it holds NUL bytes; is it UTF-16 without a byte order mark "
            "(data.csv.encoding: utf-16-le), or of another format than its name says?"
        )


def _undecodable(member: ArchiveMember, encoding: str, what: str) -> InputError:
    """Return the error that names the first line with bytes that an encoding does not have."""
    with open_lines(member, encoding, errors="temper-broken") as lines:
        number, line = next((i, line) for i, line in enumerate(lines, 1) if BROKEN in line)
    around = line[: line.find(BROKEN)][-20:].lstrip()
    ways = "save the file as UTF-8"
    if member.suffix in (".csv", ".tsv"):
        ways += ", or name its encoding in data.csv.encoding (cp1252, cp1250, cp1251, gb18030, …)"
    return InputError(f"{member.name}:{number}: {what}, after {around!r}; {ways}")
