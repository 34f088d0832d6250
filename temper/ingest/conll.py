"""A CoNLL file → sentences: lists of words and of their tags.

A line holds a word in the first column and its tag in the last; an empty line or `-DOCSTART-` ends
a sentence. Columns are separated by tabs if any word's line has one, else by spaces. In a file
whose lines are numbered within each sentence, the word is the second column, and the tag the first
one after it that holds tags alone. Lines that begin with `#` before the first word of a sentence
are comments, unless they have the columns and the tag of a word's line.
"""

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from temper.core.errors import InputError
from temper.ingest import text_files
from temper.ingest.archives import ArchiveMember
from temper.ingest.columns import ColumnBatch
from temper.ingest.text_files import Note
from temper.tasks.base.tags import OUTSIDE

TAG = re.compile(rf"{OUTSIDE}|[BIES]-.+")  # of any scheme
UNWORDED = re.compile(r"\d+[-.]\d+(?!\S)")  # numbers CoNLL-U's lines for several words, or for none
DOCUMENT = "-DOCSTART-"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where words and tags stand in a file."""

    has_tabs: bool
    num_columns: int = 0
    is_numbered: bool = False
    tag_column: int | None = -1

    def split(self, line: str) -> list[str]:
        """Split a line into fields, which may hold spaces where tabs separate them."""
        if self.has_tabs:
            return [field.strip(" ") for field in line.strip("\r\n").split("\t")]
        return re.split(" +", line.strip(" \r\n"))

    def is_comment(self, line: str) -> bool:
        """Say whether a line before a sentence's first word is not a word's."""
        fields = self.split(line)
        has_tag = self.tag_column is None or TAG.fullmatch(fields[-1])
        return line.startswith("#") and not (len(fields) == self.num_columns and has_tag)


def read(member: ArchiveMember, note: Note) -> Iterator[ColumnBatch]:
    """Yield sentences; without `tags` if each line holds a word alone.

    Raises:
        InputError: a line has more or fewer columns than the first, no word, or no tag.
    """
    encoding = text_files.find_encoding(member, note)
    layout = find_layout(member, encoding)
    if layout.is_numbered:
        note(
            f"{member.name}: numbered lines; words from column 2"
            + (f", tags from column {layout.tag_column + 1}" if layout.tag_column else "")
        )
    with text_files.open_lines(member, encoding) as lines:
        sentences = _sentences(lines, layout, member.name, note)
        for batch in text_files.batched(sentences, lambda rows: sum(len(word) for word, _ in rows)):
            columns = {"words": [[word for word, _ in rows] for rows in batch]}
            if layout.tag_column is not None:
                columns["tags"] = [[tag for _, tag in rows] for rows in batch]
            yield columns


def find_layout(member: ArchiveMember, encoding: str) -> Layout:
    """Find out from all lines of a file where words and tags stand."""

    def rows() -> Iterator[str]:
        """Yield the lines of words, and empty ones."""
        with text_files.open_lines(member, encoding) as lines:
            for line in lines:
                if not line.startswith(("#", DOCUMENT)):
                    yield line.strip(" \r\n")

    layout = Layout(has_tabs=any("\t" in line for line in rows()))
    first = next(filter(None, rows()), "")
    layout = replace(layout, num_columns=len(layout.split(first)))
    if not _is_numbered(rows(), layout):
        return replace(layout, tag_column=None if layout.num_columns == 1 else -1)
    candidates = set(range(2, layout.num_columns))
    for line in itertools.filterfalse(UNWORDED.match, filter(None, rows())):
        fields = layout.split(line)
        candidates -= {i for i in candidates if not TAG.fullmatch((fields + [""] * i)[i])}
    missing = None if layout.num_columns == 2 else layout.num_columns - 1
    return replace(layout, is_numbered=True, tag_column=min(candidates, default=missing))


def _is_numbered(rows: Iterable[str], layout: Layout) -> bool:
    """Say whether the first two words in a sentence are numbered."""
    for has_words, group in itertools.groupby(rows, bool):
        numbered = itertools.filterfalse(UNWORDED.match, group if has_words else ())
        sentence = [layout.split(line) for line in itertools.islice(numbered, 2)]
        if len(sentence) == 2:
            is_tagged = layout.num_columns == 2 and TAG.fullmatch(sentence[0][-1])
            numbers = [fields[0] for fields in sentence]
            return layout.num_columns > 1 and not is_tagged and numbers in (["1", "2"], ["0", "1"])
    return False


def _sentences(
    lines: Iterable[str], layout: Layout, name: str, note: Note
) -> Iterator[list[tuple[str, str]]]:
    """Yield the words of each sentence with their tags; note how many lines are comments."""
    sentence: list[tuple[str, str]] = []
    num_comments = 0
    for number, line in enumerate(itertools.chain(lines, [""]), 1):
        if not line.strip() or line.startswith(DOCUMENT):
            if sentence:
                yield sentence
            sentence = []
        elif not sentence and layout.is_comment(line):
            num_comments += 1
        else:
            fields = layout.split(line)
            if not (layout.is_numbered and UNWORDED.fullmatch(fields[0])):
                sentence.append(_word_and_tag(fields, layout, f"{name}:{number}"))
    if num_comments:
        note(f"{name}: comment lines (#): {num_comments:,}")


def _word_and_tag(fields: list[str], layout: Layout, where: str) -> tuple[str, str]:
    """Return a line's word and tag; a tag of "" where lines have none."""
    separator = "tabs" if layout.has_tabs else "spaces"
    if len(fields) != layout.num_columns:
        raise InputError(
            f"{where}: {len(fields)} column{'s' * (len(fields) > 1)}, but the first word has "
            f"{layout.num_columns} (separated by {separator}): {' '.join(fields)[:80]!r}; is the "
            "word or its tag missing? An empty line ends a sentence, and comments stand before it"
        )
    if layout.is_numbered and not fields[0].isdigit():
        raise InputError(f"{where}: {fields[0]!r:.80} is no number, but other lines begin with one")
    word = fields[layout.is_numbered]
    tag = "" if layout.tag_column is None else fields[layout.tag_column]
    if not word:
        raise InputError(f"{where}: no word before the tag {tag!r:.80}")
    if layout.tag_column is not None and not TAG.fullmatch(tag):
        column = f"column {layout.tag_column + 1}" if layout.is_numbered else "the last column"
        raise InputError(
            f"{where}: {tag!r:.80} in {column} is no tag; a tag is {OUTSIDE}, or B-, I-, E- or S- "
            "and a type, such as B-PER (see task.scheme)"
        )
    return word, tag
