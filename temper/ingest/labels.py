"""Label columns as people write them → ids in a fixed order, lists of ids, or numbers."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from temper.core.errors import InputError, nearest
from temper.params.task import TaskParams

if TYPE_CHECKING:
    from datasets import ClassLabel, List, Value

MISSING = ("", None, -1, "-1")
LABEL_TYPES = ("class", "classes", "tags")  # targets that have label names


def is_missing(value: Any) -> bool:
    """Check for a label that is null, empty, -1 or NaN."""
    return value in MISSING or value == [] or value != value


def labels_of(value: Any, task: TaskParams) -> list[Any]:
    """List the labels of one row: one, or any number for multi-label and tags.

    Raises:
        InputError: a multi-label string without `task.label_separator`.
    """
    name, value_type = task.target or ("", "")
    if value_type == "tags":
        return parse_tags(value)
    if value_type != "classes":
        return [value]
    if isinstance(value, str):
        separator = getattr(task, "label_separator", None)
        if separator is None:
            raise InputError(
                f"column {name!r} holds strings such as {value!r:.60}: set task.label_separator"
            )
        return [label.strip() for label in value.split(separator) if label.strip()]
    return list(value)


def parse_tags(value: Any) -> list[Any]:
    """List the tags of one row, given as a list, a JSON list, or separated by spaces."""
    if isinstance(value, str):
        return json.loads(value) if value.lstrip().startswith("[") else value.split()
    return list(value)


def label_name(value: Any) -> str:
    """Name a label: 1, 1.0 and "1" have the same name, as do True and "true"."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def order_names(names: Iterable[str], given: Sequence[str] | None) -> list[str]:
    """Put label names in the order of their ids.

    Args:
        names: those in the data.
        given: the order, if params.yaml fixes it. Otherwise numbers come in numeric order ("2"
            before "10") and other names sorted.
    """
    if given is not None:
        return list(given)
    unique = set(names)
    are_numbers = all(name.lstrip("-").isdigit() for name in unique)
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
        if self.value_type in ("classes", "tags"):
            if value is None:
                return None
        elif is_missing(value) and not (self.value_type == "number" and value in (-1, "-1")):
            return -1 if self.value_type == "class" else None
        if self.value_type == "number":
            try:
                return float(value)
            except (TypeError, ValueError):
                raise InputError(
                    f"{where}, column {self.column!r}: {value!r} is not a number"
                ) from None
        ids = [self._label_id(label, where) for label in labels_of(value, self.task)]
        if self.value_type == "class":
            return ids[0]
        return ids if self.value_type == "tags" else sorted(set(ids))

    def _label_id(self, value: Any, where: str) -> int:
        name = label_name(value)
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


def count_labels(values: Iterable[Any], task: TaskParams) -> Counter[str]:
    """Count label names; missing labels and targets without label names count for nothing."""
    counts: Counter[str] = Counter()
    if task.target is None or task.target[1] not in LABEL_TYPES:
        return counts
    for value in values:
        if not is_missing(value):
            counts.update(label_name(label) for label in labels_of(value, task))
    return counts


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
