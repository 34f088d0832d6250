"""Described columns → an error for data that would be read as something that they are not."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from temper.core.errors import InputError
from temper.ingest.label_values import label_name
from temper.ingest.local_files import AUDIO, IMAGES
from temper.init import tag_faults
from temper.init.names import WORDS
from temper.init.profiles import NUMBER, ColumnProfile
from temper.init.roles import Columns, Roles, Wishes
from temper.init.source import Source
from temper.init.tags import TAG

FASTTEXT = re.compile(r"__label__\S+ ")
MIN_WORDS = 3  # a name of so many is rather a text


def check_form(source: Source, columns: Columns, wishes: Wishes) -> None:
    """Refuse tables without a header, with a row for each word, and what their cells cannot hold.

    Raises:
        InputError: with the form in which the data can be read.
    """
    tag_faults.check(source.splits["train"], columns, wishes)
    place = source.files.get("train")
    if place is None:
        return
    if not wishes.text and _is_row([*columns.values()]):
        raise InputError(
            f"{place}: the first line looks like a row and not like the names of the columns: "
            f"{listed(columns)}; write a line of names above it, such as text,label"
        )
    if words := [n for n, c in columns.items() if n.lower() in WORDS and _holds_words(c)]:
        tags = [n for n, c in columns.items() if c.counts and all(map(TAG.fullmatch, c.counts))]
        if tags and wishes.task is None and not wishes.text:
            raise InputError(
                f"{place} has a row for each word ({words[0]}, {tags[0]}); write a .conll file: a "
                "word, a space and its tag on each line, and an empty line after each sentence"
            )
    _check_cells(place, columns, wishes)
    if [*columns] == ["text"] and wishes.task is None:
        _check_lines(source, place, columns["text"])


def _check_cells(place: str, columns: Columns, wishes: Wishes) -> None:
    """Refuse spans of characters, where they would be what is learned."""
    is_tagging = wishes.task in (None, "token_classification")
    if (name := spans(columns)) and is_tagging and wishes.label in (None, name):
        raise InputError(
            f"{place}: {name!r} holds spans of characters, and a tagger reads words with a tag "
            "each: cut the texts into words as docs/data.md#spans-of-characters shows, or say "
            "--label or --task for another use of the texts"
        )


def _check_lines(source: Source, place: str, texts: ColumnProfile) -> None:
    """Refuse lines and folders that name their label, which no column would hold."""
    if texts.cells and all(FASTTEXT.match(str(cell)) for cell in texts.cells):
        raise InputError(
            f"{place}: the lines begin with __label__; write a table with the columns text and "
            "label, or name the --task that reads lines as they are"
        )
    if source.glob.startswith("*/") and Path(place).is_dir():
        folders = sorted({file.parent.name for file in Path(place).glob(source.glob)})
        if len(folders) > 1:
            raise InputError(
                f"{place}: the texts are in folders ({listed(folders)}), and a .txt file holds an "
                "unlabelled text on each line; for folders that are labels, write a table with the "
                "columns text and label; for texts without labels, say --task masked_lm"
            )


def check_labels(source: Source, roles: Roles) -> None:
    """Refuse images or clips that are all in one folder, since its name is their label.

    Raises:
        InputError: they are.
    """
    what = {"image_classification": "images", "audio_classification": "clips"}
    name = what.get(roles.task["name"])
    if name and len(roles.labels) == 1 and source.files:
        (label,) = roles.labels
        raise InputError(
            f"{source.files['train']}: all {name} have the label {label}, which is the name of "
            f"their folder; put the {name} of each label into a folder with its name"
        )


def spans(columns: Columns) -> str | None:
    """Return the column whose cells are lists of a start, an end and a label, beside a text.

    Answers to questions about a context are no such column.
    """
    are_answers = {"question", "context", "answers"} <= {*columns}
    if are_answers or not any(column.is_text for column in columns.values()):
        return None
    for name, column in columns.items():
        items = [item for cell in column.cells if isinstance(cell, list) for item in cell]
        if items and all(map(_is_span, items)):
            return name
    return None


def _is_span(item: Any) -> bool:
    """Whether it is as [0, 4, "PER"] or {"start": 0, "end": 4, …}, whatever the names are."""
    values = list(item.values()) if isinstance(item, dict) else item
    if not isinstance(values, list):
        return False
    kinds = [type(value) for value in values]
    if isinstance(item, dict):
        names = " ".join(item)
        return "start" in names and "end" in names and kinds.count(int) >= 2
    return kinds == [int, int, str]


def image_paths(columns: Columns) -> str:
    """Return a hint where a column holds the names of image files; else ''."""
    for name, column in columns.items():
        if column.cells and all(str(c).lower().endswith(tuple(IMAGES)) for c in column.cells):
            return (
                f"; {name!r} names image files: put the images of each label into a folder with "
                "its name, and give the folder around these"
            )
        if column.cells and all(str(c).lower().endswith(AUDIO) for c in column.cells):
            return f"; {name!r} names WAV files: give the folder that holds them and the table"
    return ""


def listed(names: Iterable[str]) -> str:
    """Return names for a message, of any number and length."""
    short = [name if len(name) <= 40 else f"{name[:40]}…" for name in names]
    more = [f"{len(short) - 20} more"] if len(short) > 20 else []
    return ", ".join([*short[:20], *more])


def _is_row(columns: list[ColumnProfile]) -> bool:
    """Whether each name is a value of its column, a number, or a text where texts are.

    A name of an ordinary column may be one of its values (spam: spam, ham), so that a number or a
    text has to be among them. pandas numbers columns that have no names: 0, 1, …
    """
    if [column.name for column in columns] == [*map(str, range(len(columns)))]:
        return False
    values = [column.name in column.counts for column in columns]
    odd = [
        NUMBER.fullmatch(column.name) is not None
        or (column.is_text and len(column.name.split()) >= MIN_WORDS)
        for column in columns
    ]
    return any(odd) and all(a or b for a, b in zip(values, odd, strict=True))


def _holds_words(column: ColumnProfile) -> bool:
    return column.types == {"str"} and not any(" " in label_name(c) for c in column.cells)
