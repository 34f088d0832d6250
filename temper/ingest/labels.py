"""Label columns as people write them → ids in a fixed order, lists of ids, or numbers."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from temper.core.errors import InputError, nearest
from temper.params.task import TaskParams

MISSING = ("", None, -1, "-1")


def is_missing(value: Any) -> bool:
    """Tell whether a label is null, empty or -1, or a number that is not one."""
    return value in MISSING or value == [] or value != value


def labels_of(value: Any, task: TaskParams) -> list:
    """Return the labels of one row: one, or several for multi-label and tags."""
    name, kind = task.target or ("", "")
    if kind == "tags":
        return parse_tags(value)
    if kind != "classes":
        return [value]
    if isinstance(value, str):
        separator = getattr(task, "label_separator", None)
        if separator is None:
            raise InputError(
                f"column {name!r} holds strings such as {value!r:.60}: set task.label_separator"
            )
        return [part.strip() for part in value.split(separator) if part.strip()]
    return list(value)


def parse_tags(value: Any) -> list:
    """Return the tags of one row: a list, a JSON list, or tags between spaces."""
    if isinstance(value, str):
        return json.loads(value) if value.lstrip().startswith("[") else value.split()
    return list(value)


def label_name(value: Any) -> str:
    """Return the name of a label; 1, 1.0 and "1" are one label, as are True and "true"."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def order_names(found: Iterable[str], given: Sequence[str] | None) -> list[str]:
    """Return label names in the order of their ids.

    `given` fixes it. Without it numbers come in numeric order ("2" before "10"), names sorted.
    """
    if given is not None:
        return list(given)
    names = set(found)
    if all(name.lstrip("-").isdigit() for name in names):
        return sorted(names, key=int)
    return sorted(names)


class LabelEncoder:
    """Turns the label column of one data set into ids or numbers.

    Args:
        task: problem type, label names, separator.
        names: in the order of ids; None for regression.
        stored: names of ids the source brought along (a Hub ClassLabel), if any.
        numbers_are_ids: 0 … n-1 in the data mean positions in `names`.
    """

    def __init__(self, task: TaskParams, names: list[str] | None, numbers_are_ids: bool = False):
        self.task, self.names = task, names
        self.column, self.kind = task.target or ("", "")
        self.ids = {name: i for i, name in enumerate(names or [])}
        if numbers_are_ids:
            self.ids = {str(i): i for i in range(len(names or []))}

    def encode(self, values: Sequence[Any], split: str, rows: Iterable[int]) -> list:
        """Return the column as ids, lists of ids, or floats; missing ones as -1 or None.

        Args:
            values: labels as they were read.
            split: where they were read from.
            rows: the number of each value's row there, from 0.

        Raises:
            InputError: a label that is none, with its split, row, and what is allowed.
        """
        return [
            self._one(value, f"{split} row {row + 1}")
            for value, row in zip(values, rows, strict=True)
        ]

    def _one(self, value: Any, where: str) -> Any:
        if self.kind in ("classes", "tags"):
            if value is None:
                return None
        elif is_missing(value) and not (self.kind == "number" and value in (-1, "-1")):
            return -1 if self.kind == "class" else None
        if self.kind == "number":
            try:
                return float(value)
            except (TypeError, ValueError):
                raise InputError(
                    f"{where}, column {self.column!r}: {value!r} is not a number"
                ) from None
        ids = [self._id(part, where) for part in labels_of(value, self.task)]
        if self.kind == "class":
            return ids[0]
        return ids if self.kind == "tags" else sorted(set(ids))

    def _id(self, value: Any, where: str) -> int:
        name = label_name(value)
        if name not in self.ids:
            allowed = list(self.ids)
            raise InputError(
                f"{where}, column {self.column!r}: unknown label {name!r}"
                f"{nearest(name, allowed)}; allowed: {', '.join(allowed[:20])}"
            )
        return self.ids[name]

    def feature(self) -> Any:
        """Return the `datasets` feature of the encoded column."""
        from datasets import ClassLabel, List, Value

        if self.kind == "number":
            return Value("float32")
        feature = ClassLabel(names=list(self.names or ()))
        return feature if self.kind == "class" else List(feature)


def count_labels(values: Iterable[Any], task: TaskParams) -> Counter[str]:
    """Count the label names of a split; an unlabelled one has none."""
    counts: Counter[str] = Counter()
    if task.target is None or task.target[1] not in ("class", "classes", "tags"):
        return counts
    for value in values:
        if not is_missing(value):
            counts.update(label_name(part) for part in labels_of(value, task))
    return counts


def are_label_ids(found: Collection[str], given: Sequence[str] | None) -> bool:
    """Tell whether labels of the data are positions in the given names: 0 … n-1, no name."""
    if given is None or set(found) & set(given):
        return False
    return set(found) <= {str(i) for i in range(len(given))}


def build_encoder(task: TaskParams, counts: dict[str, Counter[str]]) -> LabelEncoder:
    """Fix the order of the labels from the parameters, or from every split's labels.

    Raises:
        InputError: `task.labels` lacks a label of the data, or training lacks one that
            another split has, or there are fewer than two.
    """
    if task.target is None or task.target[1] not in ("class", "classes", "tags"):
        return LabelEncoder(task, None)
    found = set().union(*counts.values())
    names = order_names(found, task.classes)
    by_id = are_label_ids(found, task.classes)
    known = {str(i) for i in range(len(names))} if by_id else set(names)
    for split, seen in counts.items():
        for name in sorted(set(seen) - known):
            raise InputError(
                f"{split}: {seen[name]} rows have the label {name!r}, which task.labels lacks"
                f"{nearest(name, names)}; it holds {', '.join(names[:20])}"
            )
        unseen = sorted(set(seen) - set(counts["train"]))
        if unseen and split != "train":
            raise InputError(
                f"{split} has labels that train lacks and that cannot be learned: "
                f"{', '.join(unseen[:10])}"
            )
    if len(names) < 2 and task.target[1] != "classes":
        raise InputError(f"train has {len(names)} label ({', '.join(names)}); two are needed")
    return LabelEncoder(task, names, by_id)
