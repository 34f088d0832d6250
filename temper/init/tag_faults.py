"""Described columns → an error for a row that keeps words and tags from being read as such."""

import math

from temper.core.errors import InputError
from temper.ingest.columns import CONVERTERS
from temper.init.labels import MANY
from temper.init.profiles import MAX_CELLS, ColumnProfile
from temper.init.roles import Columns, Wishes
from temper.init.tags import TAG

NEARLY = 0.9  # share of the cells of a column of tags that hold tags alone
Cells = dict[int, list[str]]  # row → its words or tags


def check(place: str, columns: Columns, wishes: Wishes) -> None:
    """Refuse a row with more words than tags or fewer, or with a tag that no scheme has.

    Args:
        place: of train.
        columns: of train.
        wishes: of the user; another task reads tags as it likes.

    Raises:
        InputError: with the first such row, where most rows have as many tags as words.
    """
    if wishes.task not in (None, "token_classification"):
        return
    read = {name: cells for name, column in columns.items() if (cells := _lists(column))}
    for name in [n for n in read if wishes.label in (None, n) and _holds_tags(read[n])]:
        tags = read[name]
        found = {
            other: sum(len(cell) == len(words.get(row, ())) for row, cell in tags.items())
            for other, words in read.items()
            if other != name and wishes.text in ((), (other,))
        }
        other = max(found, key=lambda o: (found[o], _num_distinct(read[o])), default=name)
        if found.get(other, 0) > len(tags) / 2:
            full = [columns[n] for n in (name, other) if len(columns[n].cells) == MAX_CELLS]
            last = min([column.rows[-1] for column in full], default=math.inf)
            for row in sorted(row for row in {*tags, *read[other]} if row <= last):
                words = read[other].get(row, [])
                _check_row(f"{place} row {row}", (other, words), (name, tags.get(row, [])))


def _check_row(where: str, words: tuple[str, list[str]], tags: tuple[str, list[str]]) -> None:
    end = "mend the row or remove it, or name the --task that reads it as it is"
    if len(words[1]) != len(tags[1]):
        raise InputError(
            f"{where}: {len(words[1])} in the column {words[0]!r} and {len(tags[1])} in "
            f"{tags[0]!r}; expected a tag for each word: {end}"
        )
    for tag in tags[1]:
        if not TAG.fullmatch(tag):
            raise InputError(
                f"{where}, column {tags[0]!r}: {tag!r} is no tag; expected O, or B- where an "
                f"entity begins and I- inside it, as in B-PER I-PER: {end}"
            )


def _lists(column: ColumnProfile) -> Cells:
    """Return the words of each row; none where a cell cannot be read as words."""
    if not column.types <= {"str", "list"}:
        return {}
    try:
        return dict(zip(column.rows, map(CONVERTERS["texts"], column.cells), strict=True))
    except (TypeError, ValueError):
        return {}


def _holds_tags(cells: Cells) -> bool:
    """Whether nearly all cells hold tags, or what they would be without their prefixes."""
    names = {tag for cell in cells.values() for tag in cell}
    num_tagged = sum(all(map(TAG.fullmatch, cell)) for cell in cells.values())
    are_tags = num_tagged >= NEARLY * len(cells) and any(map(TAG.fullmatch, names - {"O"}))
    are_types = "O" in names and 1 < len(names) <= MANY
    return (are_tags or are_types) and any(len(cell) > 1 for cell in cells.values())


def _num_distinct(cells: Cells) -> int:
    return len({word for cell in cells.values() for word in cell})
