"""A cell of the target column, or the 0/1 cells of several → label names, a number, or a text."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from temper.core.errors import InputError
from temper.ingest import columns, label_probabilities, literals
from temper.ingest.columns import ColumnBatch, Locate, find_column, num_rows
from temper.params.classification import SequenceClassification
from temper.params.task import CausalLM, Embeddings, TaskParams

MINUS_ONE = ("-1", -1)
FLAGS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
NO_FLAGS = ("", "-1", "-1.0")  # in every column of a row: it is not labelled
LARGEST = float(np.finfo(np.float32).max)


def label_name(value: Any) -> str:
    """Name a label: 1, 1.0 and "1" have the same name, as do True and "true"."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def read_targets(batch: ColumnBatch, task: TaskParams, split: str, locate: Locate) -> list[Any]:
    """Return each row's label names, number, or converted value; None: not labelled.

    Args:
        task: names the target, or several columns of 0 and 1 that make it up.
        split: of the source. Any but train may lack the target.

    Raises:
        InputError: a value is not of a form that the task reads.
    """
    assert task.target is not None
    name, value_type = task.target
    if isinstance(task, SequenceClassification) and task.label is None:
        return label_probabilities.likeliest(label_probabilities.read(batch, task, split, locate))
    if isinstance(task, SequenceClassification) and isinstance(task.label, tuple):
        return _join_flags(batch, task.label, split, locate)
    if isinstance(task, CausalLM) and task.messages is not None:
        conversations = columns.get_column(batch, task.messages, split)
        return columns.convert(conversations, "answer", locate(task.messages))
    values, where = find_column(batch, name) or [None] * num_rows(batch), locate(name)
    if value_type in columns.CONVERTERS:
        converted = columns.convert(values, value_type, where)
        if isinstance(task, Embeddings):  # a blank text is none to find
            return [text if text.strip() else None for text in converted]
        return [None if v is None else c for v, c in zip(values, converted, strict=True)]
    read = _number if value_type == "number" else _label_names
    targets = []
    for i, value in enumerate(values):
        try:
            targets.append(None if _is_missing(value, task) else read(value, task))
        except InputError as error:
            raise InputError(f"{where(i)}: {error}") from None
    return targets


def _is_missing(value: Any, task: TaskParams) -> bool:
    """Say whether a row has no label: null, "", -1 or NaN where one label is expected.

    -1 is a label if `task.labels` names it. Of several labels a row may have none, and an empty
    cell says so: null in Excel, "" in CSV.
    """
    value_type = task.target_type
    if columns.is_null(value):
        return value_type != "classes"
    if value_type == "class" and value in MINUS_ONE:
        return "-1" not in (task.classes or ())
    return value_type in ("class", "number") and value in ("", [])


def _number(value: Any, _: TaskParams) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{value!r:.60} is not a number") from None
    if not abs(number) <= LARGEST:
        raise InputError(
            f"{value!r:.60} is not a finite float32 (at most {LARGEST:.4g}); correct it or remove "
            "the row"
        )
    return number


def _label_names(value: Any, task: TaskParams) -> list[str]:
    """Return one name, or any number for multi-label and tags."""
    value_type, labels = task.target_type, [value]
    if value_type == "tags":
        labels = literals.split_words(value) if isinstance(value, str) else list(value)
    elif value_type == "classes":
        labels = _list_of_labels(value, getattr(task, "label_separator", None))
    for label in labels:
        if label is None or label == "" or isinstance(label, list | dict):
            raise InputError(f"found {label!r} in place of a label's name")
    return [label_name(label) for label in labels]


def _list_of_labels(value: Any, separator: str | None) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    if columns.is_null(value):
        return []
    if not isinstance(value, str):
        raise InputError(f"expected a list of labels, found {value!r:.60}")
    if separator is None and value.lstrip().startswith("["):
        return literals.parse_list(value)
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
        return text.lstrip().startswith("[") and bool(literals.parse_list(text))
    except InputError:
        return False


def describe_unlabelled(value: Any, where: str, task: TaskParams) -> str:
    """Name a row without a label, and say how -1 becomes one."""
    hint = ' (-1 stands for no label; to have it as one, list "-1" in task.labels with the rest)'
    return f"{where}: {task.no_label[0]}{hint if value in MINUS_ONE else ''}"


def _join_flags(
    batch: ColumnBatch, names: Sequence[str], split: str, locate: Locate
) -> list[list[str] | None]:
    """Return the names of the columns that hold 1 in each row."""
    if split != "train" and not set(names) & set(batch):
        return [None] * num_rows(batch)
    flags = [columns.get_column(batch, name, split) for name in names]
    rows: list[list[str] | None] = []
    for i, values in enumerate(zip(*flags, strict=True)):
        found = ["" if columns.is_null(v) else label_name(v).strip().lower() for v in values]
        if all(value in NO_FLAGS for value in found):
            rows.append(None)
            continue
        for name, value in zip(names, found, strict=True):
            if value not in FLAGS:
                raise InputError(
                    f"{locate(name)(i)}: expected 0 or 1 (or true, false), found {value!r:.60}; a "
                    "row without labels is empty in all of these columns"
                )
        rows.append([name for name, value in zip(names, found, strict=True) if FLAGS[value]])
    return rows
