"""A label column → what kind of labels it holds, and which class precision is about."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from temper.core.errors import InputError
from temper.ingest.label_values import label_name
from temper.init.names import POSITIVES
from temper.init.profiles import MAX_DISTINCT, ColumnProfile

SEPARATORS = ("|", ";", ",")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
NUMBERS = re.compile(r"[\d.,+-]+")
ID_LIST = re.compile(r"(0|[1-9]\d*)(\s*,\s*(0|[1-9]\d*))*")
MAX_CLASSES = 20  # more whole numbers are an amount to predict
MANY = 50  # labels, of which each needs MIN_MEAN rows
MIN_MEAN = 5
FEW = 10  # rows of a label, of which a split of a tenth has one


def check_number(column: ColumnProfile) -> None:
    """Refuse a column whose name alone says that it holds labels, if it has too many.

    Raises:
        InputError: hardly any value occurs again.
    """
    if column.holds_numbers or column.holds_lists or _separator(column.counts):
        return
    num = column.num_distinct
    if column.has_more or (num > MANY and num * MIN_MEAN > column.num_cells):
        raise InputError(
            f"{column.name!r} has {'over ' * column.has_more}{num:,} different values in "
            f"{column.num_cells:,} rows, too many to learn from; if it holds the labels all the "
            f"same, say --label {column.name}; else name the column that does"
        )


def read_labels(column: ColumnProfile) -> tuple[dict[str, Any], dict[str, int], tuple[str, ...]]:
    """Return keys of the task group, the counts of single labels, and notes."""
    if column.holds_lists or all(str(v).startswith("[") for v in column.cells):
        return {"problem_type": "multi_label_classification"}, {}, ()
    decimals = [name for name in column.counts if DECIMAL_COMMA.fullmatch(name)]
    if decimals and all(map(NUMBERS.fullmatch, column.counts)) and not _are_ids(column.counts):
        raise InputError(
            f"{column.name!r} holds numbers with decimal commas, such as {decimals[0]}; write them "
            "with points; if the commas separate several labels, write | between them"
        )
    is_whole = column.num_whole_numbers == column.num_cells
    if column.holds_numbers and (
        not is_whole or column.has_more or column.num_distinct > MAX_CLASSES
    ):
        note = f"{column.name!r} holds numbers, read as amounts"
        if is_whole:
            note += "; task.problem_type: single_label_classification reads them as classes"
        return {"problem_type": "regression"}, {}, (note,)
    if (separator := _separator(column.counts)) is not None:
        keys = {"problem_type": "multi_label_classification", "label_separator": separator}
        note = f"labels of {column.name!r} are separated by {separator}"
        if decimals:
            note += f"; if {decimals[0]} is a number with a decimal comma, write it with a point"
        return keys, {}, (note,)
    keys: dict[str, Any] = {"problem_type": "single_label_classification"}
    counts, notes = dict(column.counts), ()
    if "-1" in counts and counts["-1"] >= column.num_cells / 20 and len(counts) > 2:
        keys["labels"] = sorted(counts, key=lambda name: float(name) if is_whole else 0)
        notes = ("-1 is a label here; rows without one would have an empty cell",)
    elif "-1" in counts:
        notes = (f"{counts.pop('-1')} rows with label -1 are not labelled",)
    if column.holds_numbers and len(counts) > 2:
        notes += (
            f"{column.name!r} holds {len(counts)} whole numbers, read as classes; "
            "task.problem_type: regression reads them as amounts",
        )
    if column.has_more:
        notes += (f"{column.name!r} has over {MAX_DISTINCT:,} labels, counted here in part",)
    return keys, counts, (*notes, *doubts(counts))


def doubts(counts: Mapping[str, int]) -> list[str]:
    """Note labels that are spelled in several ways, and those with few rows."""
    spelled: dict[str, list[str]] = {}
    for name in counts:
        spelled.setdefault(name.strip().lower(), []).append(repr(name))
    several = ["/".join(names) for names in spelled.values() if len(names) > 1]
    notes = [f"labels that differ in case or spaces alone: {', '.join(several[:5])}"]
    rare = [f"{name} {count}" for name, count in counts.items() if count < FEW]
    more = ", …" if len(rare) > 5 else ""
    few = f"{len(rare)} of {len(counts)} labels have under {FEW} rows ({', '.join(rare[:5])}{more})"
    notes.append(f"{few}: a split may have none of them")
    return [note for note, found in zip(notes, (several, rare), strict=True) if found]


def tag_scheme(cells: Sequence[list[Any]]) -> str:
    """Return the scheme that the tags of these sentences follow."""
    names = {label_name(tag) for cell in cells for tag in cell}
    if any(re.match(r"[ES]-", name) for name in names):
        return "BIOES"
    for cell in cells:  # in IOB2 an entity never begins with I-
        begun = "O"
        for tag in map(label_name, cell):
            if tag.startswith("I-") and begun == "O":
                return "IOB1"
            begun = tag
    return "IOB2"


def _separator(counts: Counter[str]) -> str | None:
    """Return what separates several labels of a cell, if the same parts come in other mixtures."""
    for separator in SEPARATORS:
        joined = [value for value in counts if separator in value]
        parts = {part.strip() for value in counts for part in value.split(separator)}
        if len(joined) > 1 and len(parts) < len(counts) and max(map(len, parts)) <= 40:
            return separator
    return None


def _are_ids(counts: Counter[str]) -> bool:
    """Say whether numbers with commas are lists: with three in a cell, or a few that ascend."""
    if _separator(counts) != "," or not all(map(ID_LIST.fullmatch, counts)):
        return False
    cells = [[int(part) for part in value.split(",")] for value in counts]
    is_few = len({i for ids in cells for i in ids}) <= MAX_CLASSES
    ascend = all(a < b for ids in cells for a, b in pairwise(ids))
    return max(map(len, cells)) > 2 or (is_few and ascend)


def positive_label(labels: Mapping[str, int]) -> tuple[str | None, bool]:
    """Return the class of precision and recall, of two, and whether its name says so.

    Without such a name it is the rarer one.
    """
    if len(labels) != 2:
        return None, True
    named = [name for name in labels if name.lower() in POSITIVES]
    return (named[0], True) if len(named) == 1 else (min(labels, key=lambda n: labels[n]), False)
