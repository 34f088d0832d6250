"""Label columns as people write them → ids in a fixed order, lists of ids, or numbers."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.core.errors import InputError, nearest
from temper.ingest.label_values import LABEL_TYPES, is_missing, label_names
from temper.params.task import TaskParams

if TYPE_CHECKING:
    from datasets import ClassLabel, List, Value

LARGEST = float(np.finfo(np.float32).max)


def order_names(names: Iterable[str], given: Sequence[str] | None) -> list[str]:
    """Put label names in the order of their ids.

    Args:
        names: those in the data.
        given: the order, if params.yaml fixes it. Otherwise numbers come in numeric order ("2"
            before "10") and other names sorted.
    """
    if given is not None:
        return list(given)
    unique = sorted(set(names))
    are_numbers = all(name.removeprefix("-").isdecimal() for name in unique)
    return sorted(unique, key=int if are_numbers else None)


class LabelEncoder:
    """Encodes a data set's label column as ids or numbers.

    Args:
        task: target column and type, separator.
        names: in the order of ids; None where the target has no label names.
        labels_are_ids: the data holds positions in `names`, 0 … n-1.
    """

    def __init__(self, task: TaskParams, names: list[str] | None, labels_are_ids: bool = False):
        self.task, self.names = task, names
        self.column, self.value_type = task.target or ("", "")
        self.ids = {name: i for i, name in enumerate(names or [])}
        if labels_are_ids:
            self.ids = {str(i): i for i in range(len(names or []))}

    def encode(self, values: Sequence[Any], split: str, rows: Iterable[int]) -> list[Any]:
        """Encode labels as ids, lists of ids, or floats; missing ones as -1 or None.

        Args:
            values: labels as they were read.
            split: the source's split, for errors.
            rows: each value's row number in the source, from 0.

        Raises:
            InputError: an unknown label or a value that is not a number.
        """
        return [
            self._encode(value, f"{split} row {row + 1}")
            for value, row in zip(values, rows, strict=True)
        ]

    def _encode(self, value: Any, where: str) -> int | float | list[int] | None:
        if is_missing(value, self.task):
            return -1 if self.value_type == "class" else None
        if self.value_type == "number":
            return self._number(value, where)
        try:
            names = label_names(value, self.task)
        except InputError as error:
            raise InputError(f"{where}, column {self.column!r}: {error}") from None
        ids = [self._label_id(name, where) for name in names]
        if self.value_type == "class":
            return ids[0]
        return ids if self.value_type == "tags" else sorted(set(ids))

    def _number(self, value: Any, where: str) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise InputError(
                f"{where}, column {self.column!r}: {value!r:.60} is not a number"
            ) from None
        if not abs(number) <= LARGEST:
            raise InputError(
                f"{where}, column {self.column!r}: {value!r:.60} is not a finite float32 (at most "
                f"{LARGEST:.4g}); correct it or remove the row"
            )
        return number

    def _label_id(self, name: str, where: str) -> int:
        if name not in self.ids:
            allowed = list(self.ids)
            raise InputError(
                f"{where}, column {self.column!r}: unknown label {name!r}"
                f"{nearest(name, allowed)}; allowed: {', '.join(allowed[:20])}"
            )
        return self.ids[name]

    def feature(self) -> "ClassLabel | List | Value":
        """Return the `datasets` feature of the encoded column."""
        from datasets import ClassLabel, List, Value

        if self.value_type == "number":
            return Value("float32")
        feature = ClassLabel(names=list(self.names or ()))
        return feature if self.value_type == "class" else List(feature)


def are_label_ids(names: Collection[str], given: Sequence[str] | None) -> bool:
    """Check whether the data's labels are positions in the given names, 0 … n-1, not names."""
    if given is None or set(names) & set(given):
        return False
    return set(names) <= {str(i) for i in range(len(given))}


def build_encoder(task: TaskParams, counts: Mapping[str, Counter[str]]) -> LabelEncoder:
    """Fix the order of the labels, from the parameters or from the labels of all splits.

    Args:
        task: may fix the names.
        counts: split → rows by label name.

    Raises:
        InputError: `task.labels` lacks a label of the data, train lacks a label of another split,
            or there are fewer than two labels.
    """
    if task.target is None or task.target[1] not in LABEL_TYPES:
        return LabelEncoder(task, None)
    all_names = set().union(*counts.values())
    names = order_names(all_names, task.classes)
    labels_are_ids = are_label_ids(all_names, task.classes)
    known = {str(i) for i in range(len(names))} if labels_are_ids else set(names)
    for split, label_counts in counts.items():
        for name in sorted(set(label_counts) - known):
            raise InputError(
                f"{split}: {label_counts[name]} rows have the label {name!r}, which task.labels "
                f"lacks{nearest(name, names)}; it has {', '.join(names[:20])}"
            )
        unseen = sorted(set(label_counts) - set(counts["train"]))
        if unseen and split != "train":
            raise InputError(
                f"{split} has labels that train lacks, so they cannot be learned: "
                f"{', '.join(unseen[:10])}"
            )
    if len(names) < 2 and task.target[1] != "classes":
        raise InputError(f"train has {len(names)} label ({', '.join(names)}); two are needed")
    return LabelEncoder(task, names, labels_are_ids)


def check_rows(
    task: TaskParams, counts: Mapping[str, Counter[str]], *, labels_are_filtered: bool
) -> None:
    """Check that train has rows of every label that params.yaml names.

    Tags may be absent, and so may those that a filter drops where labels are positions in the list.

    Raises:
        InputError: train lacks one.
    """
    names = task.classes
    if names is None or task.target is None or task.target[1] not in ("class", "classes"):
        return
    labels_are_ids = are_label_ids(set().union(*counts.values()), names)
    if labels_are_ids and labels_are_filtered:
        return
    rows = {
        name: counts["train"][str(i) if labels_are_ids else name] for i, name in enumerate(names)
    }
    empty = [name for name, count in rows.items() if not count]
    if empty:
        key = "task.label" if len(task.label_columns) > 1 else "task.labels"
        listed = ", ".join(f"{name} {count:,}" for name, count in list(rows.items())[:20])
        raise InputError(
            f"{key}: no row of train has the label {', '.join(empty[:10])}, so it cannot be "
            f"learned; remove it, or add rows (rows by label: {listed})"
        )
