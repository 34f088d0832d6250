"""A pass over a split → its columns as a task reads them, and statistics of its rows.

No row is kept in memory: each leaves a record of 36 bytes, so a million rows take 36 megabytes.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from temper.core.errors import InputError
from temper.ingest import answers, columns, label_probabilities, label_values, row_checks, splits
from temper.ingest.columns import ColumnBatch, Locate
from temper.ingest.file_names import with_name
from temper.params.data import DataParams
from temper.params.task import (
    Embeddings,
    MultipleChoice,
    QuestionAnswering,
    TaskParams,
    TokenClassification,
)
from temper.tasks.base import arrays, audio, images

ROW = np.dtype(
    [
        ("key", f"S{splits.KEY_BYTES}"),  # of its inputs
        ("group", "S8"),  # the first bytes of its key, with data.split.group
        ("label", np.int32),  # its number in `label_ids`; -1: not exactly one label
        ("characters", np.int32),  # of all its texts
        ("empty_texts", np.int32),
    ]
)


@dataclass
class SplitStats:
    """Statistics of one split of the source."""

    buffer: bytearray = field(default_factory=bytearray)  # of `records`
    label_counts: Counter[str] = field(default_factory=Counter)
    label_ids: dict[str, int] = field(default_factory=dict)
    numbers: set[float] = field(default_factory=set)  # of the target; once two differ, not all
    num_labelled: int = 0
    num_empty: int = 0  # labelled rows with none of several labels
    notes: Counter[str] = field(default_factory=Counter)  # what reading changed → rows
    misplaced: list[str] = field(default_factory=list)  # an error for each such answer
    first_content: object = None  # of the first image or clip
    contents_differ: bool = False

    @property
    def num_rows(self) -> int:
        return len(self.buffer) // ROW.itemsize

    @property
    def records(self) -> np.ndarray:
        """The record of each row, (rows,) of `ROW`."""
        return np.frombuffer(self.buffer, ROW)

    @property
    def strata(self) -> np.ndarray:
        """An id per row in the order of the label names, (rows,); all 0 without labels."""
        if not self.label_ids:
            return np.zeros(self.num_rows, dtype=np.int32)
        rank = {name: i for i, name in enumerate(sorted(self.label_ids))}
        ranks = np.array([*(rank[name] for name in self.label_ids), -1], dtype=np.int32)
        return ranks[self.records["label"]]

    def describe_notes(self) -> list[str]:
        """Say how many values were read as something else than the file holds."""
        return [f"{count:,} {note}" for note, count in sorted(self.notes.items())]

    def count_labels(self, rows: np.ndarray) -> Counter[str]:
        """Count the labels of some rows, for targets of one label a row; only those that occur."""
        ids = self.records["label"][rows]
        counts = np.bincount(ids[ids >= 0], minlength=len(self.label_ids))
        return Counter({name: int(counts[i]) for name, i in self.label_ids.items() if counts[i]})


def read_split(
    batches: Iterable[ColumnBatch],
    task: TaskParams,
    data: DataParams,
    split: str,
    write: Callable[[ColumnBatch], object] = len,
) -> SplitStats:
    """Read a split once and gather its statistics.

    Args:
        task: names inputs and target. A split may lack the target, which is then None.
        write: takes each batch's columns, converted; see `read_columns`.

    Raises:
        InputError: the split is empty or lacks a column, a value cannot be converted, only some
            rows have a label, a row's labels do not fit its inputs, or a row of train has no group.
    """
    stats, unlabelled = SplitStats(), ""
    name = task.target[0] if task.target else ""
    label_columns = ", ".join(task.label_columns)  # of which the target may be made
    for batch in batches:
        locate = columns.locate_in(split, stats.num_rows)
        converted = read_columns(batch, task, data, split, locate)
        _check_batch(stats, converted, task, locate)
        targets = converted.get(name, [()] * columns.num_rows(batch))
        if None in targets and not unlabelled:
            first = targets.index(None)
            value = (columns.find_column(batch, name) or targets)[first]
            unlabelled = label_values.describe_unlabelled(value, locate(label_columns)(first), task)
        records = _records(stats, converted, targets, task)
        if data.split.group and (split == "train" or columns.find_column(batch, data.split.group)):
            groups = columns.get_column(batch, data.split.group, split)
            records["group"] = _group_keys(groups, split, locate(data.split.group))
        stats.buffer += records.tobytes()
        write(converted)
    _check_split(stats, task, split, unlabelled)
    return stats


def read_columns(
    batch: ColumnBatch, task: TaskParams, data: DataParams, split: str, locate: Locate
) -> ColumnBatch:
    """Return inputs, extra columns as text, and the target as `label_values.read_targets` does."""
    targets = label_values.read_targets(batch, task, split, locate) if task.target else [()]
    is_labelled = any(target is not None for target in targets)
    for name in (task if is_labelled else task.for_prediction()).inputs:
        columns.get_column(batch, name, split)
    read = columns.read_inputs(batch, task.inputs, locate)
    for name in data.extra_columns:
        values = columns.get_column(batch, name, split)
        read[name] = [None if v is None else label_values.label_name(v) for v in values]
    if task.target is not None:
        read[task.target[0]] = targets
    if task.has_label_probabilities:
        rows = label_probabilities.read(batch, task, split, locate)
        if split == "train":
            label_probabilities.check(rows, targets, locate(task.label_columns[0]))
        read[arrays.LABEL_PROBABILITIES] = [row and [*row.values()] for row in rows]
    return read


def _check_batch(stats: SplitStats, batch: ColumnBatch, task: TaskParams, locate: Locate) -> None:
    """Check that labels fit their inputs and that files can be decoded; correct answers."""
    stats.notes += row_checks.find_conversations(batch, task)
    if isinstance(task, QuestionAnswering):
        for i, pair in enumerate(zip(batch[task.context], batch[task.answers], strict=True)):
            try:
                stats.notes.update(answers.place(*pair))
            except InputError as error:
                stats.misplaced.append(f"{locate(task.answers)(i)}: {error}")
    elif isinstance(task, MultipleChoice):
        row_checks.check_choices(batch, task, locate(task.label))
    elif isinstance(task, Embeddings):
        row_checks.check_texts(batch, task, locate)
    elif isinstance(task, TokenClassification):
        stats.notes += row_checks.check_tags(batch, task, locate(task.tags))
    if task.medium is not None:
        for name in task.inputs:
            _add_files(stats, batch[name], task, locate(name))


def _add_files(
    stats: SplitStats, values: Sequence[bytes], task: TaskParams, where: Callable[[int], str]
) -> None:
    """Note what reading images or clips leaves out; compare their content until two differ."""
    remarks, read = (
        (images.remarks, _pixels) if task.medium == "image" else (audio.remarks, audio.read)
    )
    for i, data in enumerate(values):
        stats.notes.update(f"{task.examples_name} {remark}" for remark in remarks(data))
        if stats.contents_differ:
            continue
        try:
            values_of_file, form = read(data)
        except InputError as error:
            raise InputError(f"{with_name(where(i), data)}: {error}") from None
        content = values_of_file.tobytes(), form
        stats.contents_differ = stats.first_content not in (None, content)
        stats.first_content = stats.first_content or content


def _pixels(data: bytes) -> tuple[Any, tuple[int, int]]:
    image = images.open_image(data)
    return image, image.size


def _records(
    stats: SplitStats, batch: ColumnBatch, targets: Sequence[Any], task: TaskParams
) -> np.ndarray:
    """Return a batch's records, (rows,) of `ROW`; count its labels in `stats`."""
    records = np.zeros(len(targets), ROW)
    examples = zip(*(batch[name] for name in task.inputs), strict=True)
    if task.medium is not None:  # one file at a time: its hexadecimal text is twice as large
        records["key"] = [splits.row_key([value.hex() for value in files]) for files in examples]
    else:
        rows = [["\x1e".join(columns.texts_of(v)) for v in row] for row in examples]
        records["key"] = [splits.text_key(texts) for texts in rows]
        records["characters"] = [sum(map(len, texts)) for texts in rows]
        needed = [name in task.for_prediction().inputs for name in task.inputs]
        records["empty_texts"] = [
            sum(not text.strip() for text in itertools.compress(texts, needed)) for texts in rows
        ]
    records["label"] = -1
    value_type, ids = task.target_type, stats.label_ids
    labelled = [target for target in targets if target is not None]
    stats.num_labelled += len(labelled)
    stats.num_empty += value_type == "classes" and labelled.count([])
    if task.has_label_names:
        stats.label_counts.update(name for names in labelled for name in names)
    if value_type == "number" and len(stats.numbers) < 2:
        stats.numbers.update(labelled)
    if value_type == "class":
        records["label"] = [ids.setdefault(t[0], len(ids)) if t else -1 for t in targets]
    return records


def _group_keys(values: Sequence[Any], split: str, where: Callable[[int], str]) -> list[bytes]:
    for i, value in enumerate(values):
        if columns.is_empty(value):
            raise InputError(
                f"{where(i)}: no value; data.split.group needs one in every row of {split}, a "
                "unique one where a row has no group"
            )
    return [splits.row_key([label_values.label_name(value)]) for value in values]


def _check_split(stats: SplitStats, task: TaskParams, split: str, unlabelled: str) -> None:
    if count := len(stats.misplaced):
        raise InputError(f"{stats.misplaced[0]}; {count:,} row{'s' * (count > 1)} in all")
    if task.medium is not None and stats.num_rows > 1 and not stats.contents_differ:
        what = "pixels" if task.medium == "image" else "samples"
        raise InputError(
            f"{split}: all {stats.num_rows:,} {task.examples_name} have the same {what}, so there "
            "is nothing to tell them apart by; look at how they were saved"
        )
    if not stats.num_rows:
        raise InputError(f"{split} has no rows")
    if task.target_type == "classes" and not stats.label_counts:
        stats.num_labelled = stats.num_empty = 0
    if stats.num_empty:
        stats.notes["rows have none of the labels: their cell is empty"] = stats.num_empty
    if stats.num_labelled and unlabelled:
        none = ", or [] where the question has no answer," * (task.target_type == "answers")
        raise InputError(
            f"{unlabelled}, but {stats.num_labelled} other rows have one; add it{none} or "
            "remove the row (a split without any labels is predicted but not scored)"
        )
