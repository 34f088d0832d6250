"""Columns of totals, (samples, columns) → the quotients that most scores are."""

import numpy as np


def safe_divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the quotient, 0 where the denominator is 0, as scikit-learn's `zero_division=0`."""
    zeros = np.zeros_like(numerator, dtype=float)
    return np.divide(numerator, denominator, out=zeros, where=denominator > 0)


def mean(totals: np.ndarray, sum_column: int, count_column: int) -> np.ndarray:
    """Return a column of sums over a column of counts, 0 where the count is 0; (samples,)."""
    return safe_divide(totals[:, sum_column], totals[:, count_column])


def precision_recall_f1(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of the first three columns: hits, predicted, actual."""
    hits, predicted, actual = totals[:, 0], totals[:, 1], totals[:, 2]
    return {
        "f1": safe_divide(2 * hits, predicted + actual),
        "precision": safe_divide(hits, predicted),
        "recall": safe_divide(hits, actual),
    }


def perplexity(totals: np.ndarray, nll_column: int, count_column: int) -> np.ndarray:
    """Return the exponential of the mean -log p; infinite where that overflows."""
    with np.errstate(over="ignore"):
        return np.exp(mean(totals, nll_column, count_column))
