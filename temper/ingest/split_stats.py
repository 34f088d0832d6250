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
from temper.ingest import answers, columns, label_values, row_checks, splits, tag_scheme
from temper.ingest.columns import ColumnBatch
from temper.ingest.formats import num_rows
from temper.ingest.image_stats import ImageStats
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
    notes: Counter[str] = field(default_factory=Counter)  # what reading changed → rows
    misplaced: list[str] = field(default_factory=list)  # an error for the first such answer
    num_misplaced: int = 0
    images: ImageStats = field(default_factory=ImageStats)
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

    def describe_notes(self) -> list[str]:
        """Say how many values were read as something else than the file holds."""
        return [f"{count:,} {note}" for note, count in sorted(self.notes.items())]

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
    stats, unlabelled = SplitStats(), ""
    target, value_type = task.target or ("", "")
    group = data.split.group
    for batch in batches:
        first_row = stats.num_rows + 1
        selected = select_columns(batch, task, data, split, first_row)
        examples = list(zip(*(selected[name] for name in task.inputs), strict=True))
        where = _locate(split, first_row, target)
        notes, misplaced = answers.place(selected, task, where)
        stats.notes += notes
        stats.misplaced = stats.misplaced or misplaced[:1]
        stats.num_misplaced += len(misplaced)
        values = selected[target] if target else [""] * len(examples)
        row_labels = label_values.read(values, task, where)
        if None in row_labels and not unlabelled:
            unlabelled = label_values.describe_unlabelled(values, row_labels, where)
        if value_type == "tags":
            row_checks.check_tags(examples, row_labels, where)
        stats.notes += tag_scheme.count_breaks(row_labels, task, where)
        row_checks.check_choices(selected, task, where)
        _add_labels(stats, row_labels, is_single=value_type == "class")
        if group is not None and (split == "train" or columns.find_column(batch, group)):
            _add_groups(stats, columns.get_column(batch, group, split), group, split)
        _add_texts(stats, examples, task, data)
        for name in (name for name, kind in task.inputs.items() if kind == "image"):
            stats.notes += stats.images.add(selected[name], _locate(split, first_row, name))
    _check_contents(stats, task, split)
    if not stats.num_rows:
        raise InputError(f"{split} has no rows")
    if value_type == "classes" and not stats.label_counts:
        stats.num_labelled = 0
    if stats.num_labelled and unlabelled:
        raise InputError(
            f"{unlabelled}, but {stats.num_labelled} other rows have one; add it or remove the row "
            "(a split without any labels is predicted but not scored)"
        )
    return stats


def _check_contents(stats: SplitStats, task: TaskParams, split: str) -> None:
    if stats.misplaced:
        count = stats.num_misplaced
        raise InputError(f"{stats.misplaced[0]}; {count:,} row{'s' * (count > 1)} in all")
    if "image" in task.inputs.values():
        stats.images.check(split, stats.num_rows)


def _locate(split: str, first_row: int, column: str) -> Callable[[int], str]:
    """Return a function from a position in a batch to its split, row and column."""
    return lambda i: f"{split} row {first_row + i}, column {column!r}"


def _add_labels(
    stats: SplitStats, row_labels: Sequence[list[str] | None], *, is_single: bool
) -> None:
    """Count labels; record the id of each row's label where a row has exactly one."""
    for names in row_labels:
        stats.num_labelled += names is not None
        stats.label_counts.update(names or ())
        if is_single and names:
            stats.row_labels.append(stats.label_ids.setdefault(names[0], len(stats.label_ids)))
        else:
            stats.row_labels.append(-1)


def _add_groups(stats: SplitStats, values: Sequence[Any], column: str, split: str) -> None:
    for i, value in enumerate(values):
        if value is None or value == "" or value != value:
            raise InputError(
                f"{_locate(split, stats.num_rows + 1, column)(i)}: no value; data.split.group "
                f"needs one in every row of {split}, a unique one where a row has no group"
            )
        stats.row_groups += splits.row_key([label_values.label_name(value)])


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
