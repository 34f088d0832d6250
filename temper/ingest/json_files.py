"""A JSON or JSON Lines file → batches of columns; SQuAD's nested form: a row per question."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from temper.core.errors import InputError
from temper.ingest import text_files
from temper.ingest.archives import ArchiveMember
from temper.ingest.columns import ColumnBatch
from temper.ingest.literals import unique_names
from temper.ingest.text_files import ROWS, Note

SUSPECT = re.compile(r"NaN|Infinity|\\u[dD][89a-fA-F]")  # may be no value of JSON


def read_lines(member: ArchiveMember, note: Note) -> Iterator[ColumnBatch]:
    """Yield the objects of a file that has one in each line.

    Raises:
        InputError: a line is not an object; names the line.
    """
    encoding = text_files.find_encoding(member, note)
    with text_files.open_lines(member, encoding) as lines:
        for batch in text_files.batched(_records(lines, member.name), lambda pair: pair[0]):
            yield _from_records([record for _, record in batch], member.name)


def read(member: ArchiveMember, note: Note) -> Iterator[ColumnBatch]:
    """Yield the objects of a list, which may stand under `data`.

    Raises:
        InputError: the file is not such a list.
    """
    name = member.name
    with text_files.open_text(member, text_files.find_encoding(member, note)) as stream:
        text = stream.read()
    rows = _parse(text, name)
    rows = rows.get("data") if isinstance(rows, dict) else rows
    if isinstance(rows, list) and rows and isinstance(rows[0], dict) and "paragraphs" in rows[0]:
        rows = list(_flatten_squad(rows, name))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{name}: expected a list of objects, or one under 'data'")
    if SUSPECT.search(text):
        for i, row in enumerate(rows, 1):
            _check_values(row, f"{name}: row {i}")
    for start in range(0, len(rows), ROWS):
        yield _from_records(rows[start : start + ROWS], name)


def _records(lines: Iterable[str], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each line's length and object."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        record = _parse(line, name, number)
        if not isinstance(record, dict):
            raise InputError(f"{name}:{number}: expected an object, found {line.strip():.40}")
        if SUSPECT.search(line):
            _check_values(record, f"{name}:{number}")
        yield len(line), record


def _parse(text: str, name: str, line: int | None = None) -> Any:
    """Parse a whole file, or the line of it with this number."""
    try:
        return json.loads(text, object_pairs_hook=unique_names)
    except json.JSONDecodeError as error:
        place = f"{name}:{line or error.lineno}"
        raise InputError(f"{place}: not JSON: {error.msg} (column {error.colno})") from None
    except InputError as error:
        begin = _begin_of_refused(text)
        place = f"{name}:{line or text.count(chr(10), 0, begin) + 1}"
        column = begin - text.rfind("\n", 0, begin)
        raise InputError(f"{place}: {error} (column {column}); remove all but one") from None
    except (ValueError, RecursionError) as error:  # thousands of digits or of brackets
        place = f"{name}:{line}" if line else name
        raise InputError(f"{place}: JSON that Python cannot read: {error}") from None


def _begin_of_refused(text: str) -> int:
    """Return where the first object to end of those that `unique_names` refuses begins."""
    begins = []
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[{}]', text):
        if token[0] == "{":
            begins.append(token.start())
        elif token[0] == "}":
            begin = begins.pop()
            try:
                json.loads(text[begin : token.end()], object_pairs_hook=unique_names)
            except InputError:
                return begin
    raise AssertionError("no object is refused")


def _check_values(record: dict[str, Any], where: str) -> None:
    """Refuse numbers that JSON does not have, and halves of characters."""
    try:
        json.dumps(record, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise InputError(f"{where}: {half} alone is no character, but half of a pair") from None
    except ValueError:
        raise InputError(
            f"{where}: NaN or Infinity, which are no values of JSON; write null for a missing value"
        ) from None


def _from_records(records: list[dict[str, Any]], file: str) -> ColumnBatch:
    names = dict.fromkeys(name for record in records for name in record)
    if records and not names:  # a batch of columns would have no place for the rows
        raise InputError(
            f"{file}: {len(records)} rows one after the other are empty, {{}}; remove them, or "
            "write null for missing values"
        )
    return {name: [record.get(name) for record in records] for name in names}


def _flatten_squad(articles: list[Any], name: str) -> Iterator[dict[str, Any]]:
    """Yield one row per question of SQuAD's nested format."""
    for i, article in enumerate(articles, 1):
        try:
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    given = {"title": article.get("title"), "context": paragraph["context"]}
                    yield question | given
        except (KeyError, TypeError, AttributeError):
            raise InputError(
                f"{name}: article {i} is not as SQuAD has it: objects with `paragraphs`, each with "
                "a `context` and its questions in `qas`"
            ) from None
