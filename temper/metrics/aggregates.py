"""Columns of summed statistics → the quotients that most scores are."""

import numpy as np

from temper.metrics.classification import divide


def mean(sums: np.ndarray, column: int, count: int) -> np.ndarray:
    """Return sums[:, column] / sums[:, count], 0 where there is none; (samples,)."""
    return divide(sums[:, column], sums[:, count])


def precision_recall_f1(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of columns hits, predicted, actual."""
    hit, predicted, actual = sums[:, 0], sums[:, 1], sums[:, 2]
    return {
        "f1": divide(2 * hit, predicted + actual),
        "precision": divide(hit, predicted),
        "recall": divide(hit, actual),
    }


def perplexity(sums: np.ndarray, column: int, count: int) -> np.ndarray:
    """Return exp of the mean -log p; infinite where that overflows."""
    with np.errstate(over="ignore"):
        return np.exp(mean(sums, column, count))
