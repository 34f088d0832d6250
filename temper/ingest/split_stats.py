"""The first pass over a split → statistics of its rows, without keeping any row in memory.

Each row leaves a 16-byte key of its texts and the id of its label; a filter or a group column adds
a few bytes more. All are in flat buffers, so a million rows take a few tens of megabytes.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from temper.core.errors import InputError
from temper.ingest import columns, labels, splits
from temper.ingest.formats import ColumnBatch, num_rows
from temper.params.data import DataParams
from temper.params.task import TaskParams


@dataclass
class SplitStats:
    """Statistics of one split of the source."""

    label_counts: Counter[str] = field(default_factory=Counter)
    label_ids: dict[str, int] = field(default_factory=dict)  # label → its number in `row_labels`
    row_keys: bytearray = field(default_factory=bytearray)
    row_labels: "array[int]" = field(default_factory=lambda: array("i"))  # -1: not exactly one
    row_groups: bytearray = field(default_factory=bytearray)  # keys, with data.split.group
    row_lengths: "array[int]" = field(default_factory=lambda: array("q"))  # with data.filter
    row_empty_texts: "array[int]" = field(default_factory=lambda: array("i"))  # with data.filter
    num_labelled: int = 0
    empty_texts: int = 0
    characters: int = 0

    @property
    def num_rows(self) -> int:
        return len(self.row_keys) // splits.KEY_BYTES

    @property
    def keys(self) -> np.ndarray:
        """The key of each row's texts, (rows,)."""
        return splits.as_keys(self.row_keys)

    @property
    def strata(self) -> np.ndarray:
        """An id per row in the order of the label names, (rows,); all 0 without labels."""
        if not self.label_ids:
            return np.zeros(self.num_rows, dtype=np.int32)
        rank = {name: i for i, name in enumerate(sorted(self.label_ids))}
        ranks = np.array([*(rank[name] for name in self.label_ids), -1], dtype=np.int32)
        return ranks[np.frombuffer(self.row_labels, dtype=np.int32)]

    @property
    def groups(self) -> np.ndarray:
        """A group number per row, (rows,)."""
        return np.unique(splits.as_keys(self.row_groups), return_inverse=True)[1].reshape(-1)

    def text_counts(self, rows: np.ndarray) -> tuple[int, int]:
        """Count the empty texts and the characters of some rows; needs data.filter."""
        empty_texts = np.frombuffer(self.row_empty_texts, dtype=np.int32)[rows].sum()
        characters = np.frombuffer(self.row_lengths, dtype=np.int64)[rows].sum()
        return int(empty_texts), int(characters)

    def count_labels(self, rows: np.ndarray) -> Counter[str]:
        """Count the labels of some rows, for targets of one label a row; only those that occur."""
        ids = np.frombuffer(self.row_labels, dtype=np.int32)[rows]
        counts = np.bincount(ids[ids >= 0], minlength=len(self.label_ids))
        return Counter({name: int(counts[i]) for name, i in self.label_ids.items() if counts[i]})


def select_columns(
    batch: ColumnBatch, task: TaskParams, data: DataParams, split: str, first_row: int
) -> ColumnBatch:
    """Return inputs, target and extra columns; inputs and text-like targets are converted.

    Args:
        batch: columns of the source.
        task: names inputs and target. A split may lack the target, which is then None.
        data: names extra columns.
        split: name of the split, for errors.
        first_row: number of the batch's first row, from 1.

    Raises:
        InputError: an input or extra column is missing, or a value cannot be converted.
    """

    def converted(name: str, value_type: str, values: list[Any]) -> list[Any]:
        return columns.convert(values, value_type, _locate(split, first_row, name))

    selected = {
        name: converted(name, value_type, columns.get_column(batch, name, split))
        for name, value_type in task.inputs.items()
    }
    if task.target is not None:
        name, value_type = task.target
        values = columns.find_column(batch, name) or [None] * num_rows(batch)
        if value_type in columns.CONVERTERS:
            pairs = zip(values, converted(name, value_type, values), strict=True)
            values = [None if original is None else value for original, value in pairs]
        selected[name] = values
    return selected | {name: columns.get_column(batch, name, split) for name in data.extra_columns}


def scan_split(
    batches: Iterator[ColumnBatch], task: TaskParams, data: DataParams, split: str
) -> SplitStats:
    """Read a split once and gather its statistics.

    Raises:
        InputError: the split is empty, only some rows have a label, a row's words and tags differ
            in number, or a row of train has no group.
    """
    stats, first_unlabelled = SplitStats(), 0
    target, value_type = task.target or ("", "")
    group = data.split.group
    for batch in batches:
        first_row = stats.num_rows + 1
        selected = select_columns(batch, task, data, split, first_row)
        examples = list(zip(*(selected[name] for name in task.inputs), strict=True))
        values = selected[target] if target else [""] * len(examples)
        missing = [_is_missing(value, value_type) for value in values]
        if any(missing) and not first_unlabelled:
            first_unlabelled = first_row + missing.index(True)
        if value_type == "tags":
            check_tags(examples, values, _locate(split, first_row, target))
        _add_labels(stats, values, missing, task)
        if group is not None and (split == "train" or columns.find_column(batch, group)):
            _add_groups(stats, columns.get_column(batch, group, split), group, split)
        _add_texts(stats, examples, task, data)
    if not stats.num_rows:
        raise InputError(f"{split} has no rows")
    if value_type == "classes" and not stats.label_counts:
        stats.num_labelled = 0
    if stats.num_labelled and first_unlabelled:
        raise InputError(
            f"{_locate(split, first_unlabelled, target)(0)}: no label, but {stats.num_labelled} "
            "other rows have one; add it or remove the row (a split without any labels is "
            "predicted but not scored)"
        )
    return stats


def check_tags(
    examples: Sequence[tuple[Any, ...]], tags: Sequence[Any], where: Callable[[int], str]
) -> None:
    """Check that each row has one tag per word, or no tags at all.

    Raises:
        InputError: a row does not.
    """
    for i, ((words, *_), row_tags) in enumerate(zip(examples, tags, strict=True)):
        count = None if row_tags is None else len(labels.parse_tags(row_tags))
        if count is not None and len(words) != count:
            raise InputError(f"{where(i)}: {count} tags for {len(words)} words")


def _locate(split: str, first_row: int, column: str) -> Callable[[int], str]:
    """Return a function from a position in a batch to its split, row and column."""
    return lambda i: f"{split} row {first_row + i}, column {column!r}"


def _add_labels(
    stats: SplitStats, values: Sequence[Any], missing: Sequence[bool], task: TaskParams
) -> None:
    """Count labels; record the id of each row's label where a row has exactly one."""
    stats.num_labelled += len(values) - sum(missing)
    stats.label_counts.update(labels.count_labels(values, task))
    has_one_label = task.target is not None and task.target[1] == "class"
    for value, is_missing in zip(values, missing, strict=True):
        if not has_one_label or is_missing:
            stats.row_labels.append(-1)
        else:
            name = labels.label_name(value)
            stats.row_labels.append(stats.label_ids.setdefault(name, len(stats.label_ids)))


def _add_groups(stats: SplitStats, values: Sequence[Any], column: str, split: str) -> None:
    for i, value in enumerate(values):
        if value is None or value == "" or value != value:
            raise InputError(
                f"{_locate(split, stats.num_rows + 1, column)(i)}: no value; data.split.group "
                f"needs one in every row of {split}, a unique one where a row has no group"
            )
        stats.row_groups += splits.row_key([labels.label_name(value)])


def _add_texts(
    stats: SplitStats, examples: Sequence[tuple[Any, ...]], task: TaskParams, data: DataParams
) -> None:
    """Record the key of each row's inputs; count characters and empty texts."""
    keys = [[columns.comparison_key(value) for value in example] for example in examples]
    if "image" not in task.inputs.values():
        empty_texts = [sum(not text.strip() for text in texts) for texts in keys]
        lengths = [sum(len(text) for text in texts) for texts in keys]
        stats.empty_texts += sum(empty_texts)
        stats.characters += sum(lengths)
        if data.filter is not None:
            stats.row_empty_texts.extend(empty_texts)
            stats.row_lengths.extend(lengths)
    for texts in keys:
        stats.row_keys += splits.row_key(texts)


def _is_missing(value: Any, value_type: str) -> bool:
    if value_type == "number" and value in (-1, "-1"):
        return False  # a valid regression target
    if value_type not in ("class", "number"):
        return value is None  # an empty list or string means that no label applies
    return labels.is_missing(value)
