"""A label column → what kind of labels it holds, and which class precision is about."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from temper.init.names import POSITIVES
from temper.init.profiles import ColumnProfile

SEPARATORS = ("|", ";", ",")
MAX_CLASSES = 20  # more whole numbers are an amount to predict


def read_labels(column: ColumnProfile) -> tuple[dict[str, Any], dict[str, int], tuple[str, ...]]:
    """Return keys of the task group, the counts of single labels, and notes."""
    if column.holds_lists or all(str(v).startswith("[") for v in column.cells):
        return {"problem_type": "multi_label_classification"}, {}, ()
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
        return keys, {}, (f"labels of {column.name!r} are separated by {separator}",)
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
    return keys, counts, notes


def _separator(counts: Counter[str]) -> str | None:
    """Return what separates several labels of a cell, if the same parts come in other mixtures."""
    for separator in SEPARATORS:
        joined = [value for value in counts if separator in value]
        parts = {part.strip() for value in counts for part in value.split(separator)}
        if len(joined) > 1 and len(parts) < len(counts) and max(map(len, parts)) <= 40:
            return separator
    return None


def positive_label(labels: Mapping[str, int]) -> tuple[str | None, bool]:
    """Return the class of precision and recall, of two, and whether its name says so.

    Without such a name it is the rarer one.
    """
    if len(labels) != 2:
        return None, True
    named = [name for name in labels if name.lower() in POSITIVES]
    return (named[0], True) if len(named) == 1 else (min(labels, key=lambda n: labels[n]), False)
