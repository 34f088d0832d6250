"""Columns of one probability per label → what is learned of each row, and its likeliest label."""

import math
from collections.abc import Sequence
from typing import Any

from temper.core.errors import InputError
from temper.ingest import columns
from temper.ingest.columns import ColumnBatch, Locate
from temper.params.classification import SequenceClassification
from temper.params.task import TaskParams

TOLERANCE = 1e-3  # of a row's sum, which is then made 1

Probabilities = list[dict[str, float] | None]  # by label; None: a row has none


def read(batch: ColumnBatch, task: TaskParams, split: str, locate: Locate) -> Probabilities:
    """Return each row's probability of each label, of `task.label_probabilities`.

    Any split but train may lack the columns.

    Raises:
        InputError: a cell holds no probability, or those of a row do not sum to 1.
    """
    assert isinstance(task, SequenceClassification)
    names = task.label_probabilities or {}
    if split != "train" and not {*names.values()} & set(batch):
        return [None] * columns.num_rows(batch)
    values = [columns.get_column(batch, name, split) for name in names.values()]
    rows: Probabilities = []
    for i, row in enumerate(zip(*values, strict=True)):
        if all(columns.is_empty(value) for value in row):
            rows.append(None)
            continue
        found = [
            _probability(value, locate(name)(i))
            for name, value in zip(names.values(), row, strict=True)
        ]
        total = sum(found)
        if abs(total - 1) > TOLERANCE:
            raise InputError(
                f"{locate(', '.join(names.values()))(i)}: the probabilities sum to {total:g}; they "
                f"must to 1, within {TOLERANCE}"
            )
        rows.append({label: value / total for label, value in zip(names, found, strict=True)})
    return rows


def likeliest(rows: Probabilities) -> list[list[str] | None]:
    """Return each row's likeliest label, of equal ones the first."""
    return [None if row is None else [max(row, key=row.__getitem__)] for row in rows]


def check(rows: Probabilities, targets: Sequence[Any], where: Any) -> None:
    """Check that each training row with a label has probabilities.

    Raises:
        InputError: names the first without.
    """
    for i, (row, target) in enumerate(zip(rows, targets, strict=True)):
        if target is not None and row is None:
            raise InputError(f"{where(i)}: a label and no probabilities; add them, 1 for certain")


def _probability(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= 1 or isinstance(value, bool):
        raise InputError(f"{where}: {value!r:.60} is no probability; expected 0 to 1")
    return number
