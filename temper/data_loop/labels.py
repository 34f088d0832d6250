"""Labels as a user's files spell them ↔ ids and cells: what may be written into a label's place."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from temper.core.errors import InputError, alternatives
from temper.ingest import columns, label_encoder, label_values
from temper.params.classification import SequenceClassification
from temper.params.task import TaskParams

NO_LABEL = "(none)"  # of a row with several labels: that it has none of them
SEPARATOR = "|"  # between several labels, where params.yaml names no other


class Spelling:
    """How the labels stand in the files.

    Args:
        names: in the order of their ids.
        cells: a row's columns as its file has them, renamed; {}: those of data/raw, in ids.
    """

    def __init__(self, task: TaskParams, names: Sequence[str], cells: Mapping[str, Any]):
        self.task, self.names = task, list(names)
        self.has_several = task.target is not None and task.target[1] == "classes"
        self.separator = getattr(task, "label_separator", None) or SEPARATOR
        found = read(task, cells) if cells else []
        if not set(found) <= set(self.names) and label_encoder.are_label_ids(found, task.classes):
            self.names = [str(i) for i in range(len(names))]

    def of_row(self, cells: Mapping[str, Any]) -> str:
        """Return the labels of a row's columns as one text."""
        return self.text(sorted({self.names.index(name) for name in read(self.task, cells)}))

    def text(self, ids: Sequence[int]) -> str:
        """Return label ids as one text."""
        return self.separator.join(self.names[i] for i in ids) or NO_LABEL

    def parse(self, text: str, where: str) -> list[str]:
        """Return the labels of a corrected cell.

        Raises:
            InputError: an unknown label.
        """
        if text == NO_LABEL and self.has_several:
            return []
        parts = text.split(self.separator) if self.has_several else [text]
        labels = [label_values.label_name(part.strip()) for part in parts]
        for label in labels:
            if label not in self.names:
                raise InputError(
                    f"{where}: corrected_label {label!r} is no label of the data"
                    f"{alternatives(label, self.names)}"
                )
        return labels


def read(task: TaskParams, cells: Mapping[str, Any]) -> list[str]:
    """Return the label names of one row's columns, as they are written."""
    batch = {name: [value] for name, value in cells.items()}
    (target,) = label_values.read_targets(batch, task, "train", columns.locate_in("train"))
    return list(target or ())


def changed(task: TaskParams, cells: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """Return the columns to change, so that the row has these labels, in the form of the old ones.

    Args:
        cells: the row's columns, renamed.
    """
    if isinstance(task, SequenceClassification) and isinstance(task.label, tuple):
        return {name: like(cells.get(name), name in labels) for name in task.label}
    assert task.target is not None
    name, value_type = task.target
    old = columns.find_column({k: [v] for k, v in cells.items()}, name)
    value = old[0] if old else None
    if value_type == "class":
        return {name: like_label(value, labels[0])}
    separator = getattr(task, "label_separator", None)
    if isinstance(value, str):
        is_list = separator is None
        text = json.dumps(list(labels), ensure_ascii=False) if is_list else separator.join(labels)
        return {name: text}
    return {name: list(labels)}


def like(old: Any, flag: bool) -> Any:
    """Write a flag as the old one was: 1, "1", "1.0", True, "true", "TRUE" …"""
    if isinstance(old, str):
        on, off = next(
            (pair for pair in (("1", "0"), ("1.0", "0.0"), ("true", "false"), ("True", "False"),
                               ("TRUE", "FALSE")) if old.strip() in pair), ("1", "0"),
        )  # fmt: skip
        return on if flag else off
    return type(old)(flag) if isinstance(old, bool | int | float) else int(flag)


def like_label(old: Any, label: str) -> Any:
    """Write a label's name as the type that the old one had."""
    if isinstance(old, bool) and label in ("true", "false"):
        return label == "true"
    if isinstance(old, int | float) and not isinstance(old, bool):
        try:
            return type(old)(label)
        except ValueError:
            return label
    return label
