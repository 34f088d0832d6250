"""A cell of a label column, or the 0/1 cells of several → the names of a row's labels."""

from collections.abc import Callable, Sequence
from typing import Any

from temper.core.errors import InputError
from temper.ingest import columns
from temper.ingest.columns import ColumnBatch
from temper.params.task import SequenceClassification, TaskParams

MINUS_ONE = ("-1", -1)
LABEL_TYPES = ("class", "classes", "tags")  # targets that have label names
FLAGS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
NO_FLAGS = ("", "-1", "-1.0")  # in every column of a row: it is not labelled


def is_missing(value: Any, task: TaskParams) -> bool:
    """Say whether a row has no label: null or NaN; "" and -1 too where one label is expected.

    -1 is a label if `task.labels` names it.
    """
    value_type = task.target[1] if task.target else ""
    if value is None or value != value:
        return True
    if value_type == "class" and value in MINUS_ONE:
        return "-1" not in (task.classes or ())
    return value_type in ("class", "number") and value in ("", [])


def label_name(value: Any) -> str:
    """Name a label: 1, 1.0 and "1" have the same name, as do True and "true"."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def label_names(value: Any, task: TaskParams) -> list[str]:
    """Return the label names of one row: one, or any number for multi-label and tags.

    Raises:
        InputError: the value does not hold labels in a form that the task reads.
    """
    value_type = task.target[1] if task.target else ""
    if value_type not in LABEL_TYPES:
        return []
    found = [value]
    if value_type == "tags":
        found = parse_tags(value)
    elif value_type == "classes":
        found = _list_of_labels(value, getattr(task, "label_separator", None))
    for label in found:
        if label is None or label == "" or isinstance(label, list | dict):
            raise InputError(f"found {label!r} in place of a label's name")
    return [label_name(label) for label in found]


def read(
    values: Sequence[Any], task: TaskParams, where: Callable[[int], str]
) -> list[list[str] | None]:
    """Return each row's label names, which only some targets have; None: not labelled.

    Raises:
        InputError: a value does not hold labels in a form that the task reads.
    """
    rows: list[list[str] | None] = []
    for i, value in enumerate(values):
        try:
            missing = is_missing(value, task)
            rows.append(None if missing else label_names(value, task))
        except InputError as error:
            raise InputError(f"{where(i)}: {error}") from None
    return rows


def describe_unlabelled(
    values: Sequence[Any], row_labels: Sequence[list[str] | None], where: Callable[[int], str]
) -> str:
    """Name the first row without a label, and say how -1 becomes one."""
    first = row_labels.index(None)
    hint = ""
    if values[first] in MINUS_ONE:
        hint = (
            ' (-1 stands for no label; to have it as one, list "-1" in task.labels with the rest)'
        )
    return f"{where(first)}: no label{hint}"


def parse_tags(value: Any) -> list[Any]:
    """List the tags of one row, given as a list, a list as text, or separated by spaces.

    Raises:
        InputError: the text begins as a list and is none.
    """
    if isinstance(value, str):
        return columns.parse_list(value) if value.lstrip().startswith("[") else value.split()
    return list(value)


def _list_of_labels(value: Any, separator: str | None) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    if not isinstance(value, str):
        raise InputError(f"expected a list of labels, found {value!r:.60}")
    if separator is None and value.lstrip().startswith("["):
        return columns.parse_list(value)
    if separator is None and value.strip():
        raise InputError(
            f"expected several labels, found {value!r:.60}: set task.label_separator, or write "
            'lists such as ["a", "b"]; for a column of 0 and 1 per label list them in task.label'
        )
    if separator is not None and _is_list(value):
        raise InputError(f"{value!r:.60} is a list: remove task.label_separator")
    return [label.strip() for label in value.split(separator) if label.strip()]


def _is_list(text: str) -> bool:
    try:
        return text.lstrip().startswith("[") and bool(columns.parse_list(text))
    except InputError:
        return False


def join_columns(
    batch: ColumnBatch, task: TaskParams, split: str, where: Callable[[int], str]
) -> ColumnBatch:
    """Add the lists of labels that a column of 0 and 1 per label gives, as the task's target.

    Args:
        batch: columns of the source.
        task: names the label columns; with a single one nothing is added.
        split: of the source. Any but train may lack the columns, all of them.
        where: from a row's position to its split and row, for errors.

    Raises:
        InputError: a column is missing, a value is neither 0 nor 1, or a row has only some.
    """
    if not isinstance(task, SequenceClassification) or isinstance(task.label, str):
        return batch
    found = [name for name in task.label if name in batch]
    if not batch or (not found and split != "train"):
        return batch
    flags = [columns.get_column(batch, name, split) for name in task.label]
    rows = [
        _labels_of_row(row, task.label, where(i)) for i, row in enumerate(zip(*flags, strict=True))
    ]
    return batch | {task.target[0]: rows}


def _labels_of_row(values: Sequence[Any], names: Sequence[str], where: str) -> list[str] | None:
    found = ["" if v is None or v != v else label_name(v).strip().lower() for v in values]
    if all(value in NO_FLAGS for value in found):
        return None
    for name, value in zip(names, found, strict=True):
        if value not in FLAGS:
            raise InputError(
                f"{where}, column {name!r}: expected 0 or 1 (or true, false), found {value!r:.60}; "
                "a row without labels is empty in all of these columns"
            )
    return [name for name, value in zip(names, found, strict=True) if FLAGS[value]]
