"""The first pass over a split: which rows there are, without holding one of them.

A row leaves 16 bytes that stand for its texts and a number for its label; a filter or a group
column adds a few more. All lie in flat buffers, so a million rows take some megabytes.
"""

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from temper.core.errors import InputError
from temper.ingest import columns, labels, splits
from temper.ingest.readers import ColumnBatch
from temper.params.data import DataParams
from temper.params.task import TaskParams


@dataclass
class SplitStats:
    """What the first pass learns about a split."""

    counts: Counter[str] = field(default_factory=Counter)
    ids: dict[str, int] = field(default_factory=dict)  # label → its number in `row_labels`
    row_keys: bytearray = field(default_factory=bytearray)
    row_labels: "array[int]" = field(default_factory=lambda: array("i"))
    row_groups: bytearray = field(default_factory=bytearray)  # where data.split.group is set
    row_lengths: "array[int]" = field(default_factory=lambda: array("q"))  # where a filter is set
    row_empties: "array[int]" = field(default_factory=lambda: array("i"))
    labelled: int = 0
    empty_texts: int = 0
    characters: int = 0

    @property
    def rows(self) -> int:
        return len(self.row_keys) // splits.KEY_BYTES

    @property
    def keys(self) -> np.ndarray:
        """Return the key of each row's texts."""
        return splits.as_keys(self.row_keys)

    @property
    def strata(self) -> np.ndarray:
        """Return a number per row, in the order of the labels' names; all alike without labels."""
        if not self.ids:
            return np.zeros(self.rows, dtype=np.int32)
        rank = {name: i for i, name in enumerate(sorted(self.ids))}
        ranks = np.array([*(rank[name] for name in self.ids), -1], dtype=np.int32)
        return ranks[np.frombuffer(self.row_labels, dtype=np.int32)]

    @property
    def groups(self) -> np.ndarray:
        """Return a number per row that rows of one group share."""
        return np.unique(splits.as_keys(self.row_groups), return_inverse=True)[1].reshape(-1)

    def texts(self, chosen: np.ndarray) -> tuple[int, int]:
        """Return the empty texts and the characters of some rows, where a filter is set."""
        empty = np.frombuffer(self.row_empties, dtype=np.int32)[chosen].sum()
        return int(empty), int(np.frombuffer(self.row_lengths, dtype=np.int64)[chosen].sum())


def select(
    found: ColumnBatch, task: TaskParams, data: DataParams, split: str, first_row: int
) -> ColumnBatch:
    """Return the columns that are asked for; a split may lack the target.

    Raises:
        InputError: an input or carried column is missing, or a value is of another kind.
    """
    size = len(next(iter(found.values()), []))

    def converted(name: str, kind: str, values: list) -> list:
        def where(i: int) -> str:
            return f"{split} row {first_row + i}, column {name!r}"

        return columns.convert(values, kind, where)

    chosen = {}
    for name, kind in task.inputs.items():
        chosen[name] = converted(name, kind, columns.get(found, name, split))
    if task.target is not None:
        name, kind = task.target
        values = columns.lookup(found, name) or [None] * size
        if kind in columns.CONVERT:
            missing = [value is None for value in values]
            values = [
                None if none else value
                for none, value in zip(missing, converted(name, kind, values), strict=True)
            ]
        chosen[name] = values
    return chosen | {name: columns.get(found, name, split) for name in data.extra_columns}


def scan_split(
    batches: Iterator[ColumnBatch], task: TaskParams, data: DataParams, split: str
) -> SplitStats:
    """Read a split once and count.

    Raises:
        InputError: the split is empty, or some of its labels are missing and others are not, or a
            row of train has no group.
    """
    stats, missing_row = SplitStats(), 0
    name, kind = task.target or ("", "")
    for batch in batches:
        chosen = select(batch, task, data, split, stats.rows + 1)
        rows = list(zip(*(chosen[name] for name in task.inputs), strict=True))
        values = chosen[name] if name else [""] * len(rows)
        missing = [_is_missing(value, kind) for value in values]
        if any(missing) and not missing_row:
            missing_row = stats.rows + missing.index(True) + 1
        if kind == "tags":
            check_tags(rows, values, f"{split} row {{}}, column {name!r}", stats.rows + 1)
        stats.labelled += len(values) - sum(missing)
        stats.counts.update(labels.count_labels(values, task))
        _add_labels(stats, values, missing, kind)
        group = data.split.group
        if group is not None and (split == "train" or columns.lookup(batch, group) is not None):
            _add_groups(stats, batch, group, split)
        _add_texts(stats, rows, task, data)
    if not stats.rows:
        raise InputError(f"{split} has no rows")
    if kind == "classes" and not stats.counts:
        stats.labelled = 0
    if stats.labelled and missing_row:
        raise InputError(
            f"{split} row {missing_row}, column {name!r}: no label, but {stats.labelled} "
            "other rows have one; fill it in or drop the row (a split without any label is "
            "predicted and never scored)"
        )
    return stats


def check_tags(rows: list[tuple], values: list, where: str, first_row: int) -> None:
    """Refuse a row with other numbers of words and tags."""
    for i, ((words, *_), tags) in enumerate(zip(rows, values, strict=True)):
        tags = tags if tags is None else labels.parse_tags(tags)
        if tags is not None and len(words) != len(tags):
            raise InputError(
                f"{where.format(first_row + i)}: {len(tags)} tags for {len(words)} words"
            )


def _add_labels(stats: SplitStats, values: Sequence, missing: Sequence[bool], kind: str) -> None:
    """Note the label of each row that has one of its own."""
    for value, none in zip(values, missing, strict=True):
        if kind != "class" or none:
            stats.row_labels.append(-1)
        else:
            stats.row_labels.append(stats.ids.setdefault(labels.label_name(value), len(stats.ids)))


def _add_groups(stats: SplitStats, batch: ColumnBatch, column: str, split: str) -> None:
    for i, value in enumerate(columns.get(batch, column, split)):
        if value is None or value == "" or value != value:
            raise InputError(
                f"{split} row {stats.rows + i + 1}, column {column!r}: no value; "
                f"data.split.group needs one in every row of {split}, its own where a row is alone"
            )
        stats.row_groups += splits.row_key([labels.label_name(value)])


def _add_texts(stats: SplitStats, rows: list[tuple], task: TaskParams, data: DataParams) -> None:
    """Note the key of each row's inputs; count characters and empty texts."""
    keys = [[columns.key_of(value) for value in row] for row in rows]
    if "image" not in task.inputs.values():
        empties = [sum(not text.strip() for text in row) for row in keys]
        lengths = [sum(len(text) for text in row) for row in keys]
        stats.empty_texts += sum(empties)
        stats.characters += sum(lengths)
        if data.filter is not None:
            stats.row_empties.extend(empties)
            stats.row_lengths.extend(lengths)
    for row in keys:
        stats.row_keys += splits.row_key(row)


def _is_missing(value: Any, kind: str) -> bool:
    if kind == "number" and value in (-1, "-1"):
        return False  # a number like any other
    if kind not in ("class", "number"):
        return value is None  # an empty list or string says that no label applies
    return labels.is_missing(value)
