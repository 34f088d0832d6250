"""What `classification`, `multi_label` and `regression` share: predictions of logits, counts."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


@dataclass(frozen=True, kw_only=True)
class LabelOutputs:
    """What a model says about rows of labels or numbers."""

    predictions: Any  # ids or numbers (rows,); several labels: booleans (rows, labels), also sparse
    confidence: np.ndarray  # (rows,): the highest probability, or the number
    loss: np.ndarray | None  # (rows,); None without references
    probabilities: np.ndarray  # (sampled rows, labels); no columns for numbers
    sampled_rows: Any = ...  # index of the rows whose probabilities are kept: all, or a mask


class LabelTotals(NamedTuple):
    """Summed statistics of labels: (samples, labels) of each label, (samples,) of rows."""

    hits: np.ndarray
    predicted: np.ndarray
    actual: np.ndarray
    right: np.ndarray  # rows with all labels right
    rows: np.ndarray


def per_example_stats(predictions: Any, references: Any, num_labels: int) -> Any:
    """Return hits, predicted and actual of each label, right as a whole and 1; sparse.

    Args:
        predictions: ids (rows,), or booleans (rows, labels), sparse or dense.
        references: likewise.
        num_labels: columns of each of the first three.
    """
    from scipy.sparse import csr_array, hstack

    predicted, actual = (_indicators(values, num_labels) for values in (predictions, references))
    right = np.diff((predicted != actual).tocsr().indptr) == 0
    rows = np.ones((len(right), 1))
    parts = (predicted.multiply(actual), predicted, actual, csr_array(right[:, None]), rows)
    return hstack(parts, format="csr", dtype=float)


def _indicators(values: Any, num_labels: int) -> Any:
    """Return sparse booleans (rows, labels)."""
    from scipy.sparse import csr_array

    if values.ndim == 2:
        return csr_array(values, dtype=bool)
    size = len(values)
    shape = (size, num_labels)
    return csr_array((np.ones(size, dtype=bool), values, np.arange(size + 1)), shape=shape)


def totals_by_label(totals: np.ndarray) -> LabelTotals:
    """Return the parts of summed statistics, (samples, columns)."""
    hits, predicted, actual = np.split(totals[:, :-2], 3, axis=1)
    return LabelTotals(hits, predicted, actual, totals[:, -2], totals[:, -1])


def dense(values: Any) -> np.ndarray:
    """Return an array of what may be sparse."""
    return values.toarray() if hasattr(values, "toarray") else values
