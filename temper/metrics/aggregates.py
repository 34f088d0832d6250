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


def area_under_roc(scores: np.ndarray, is_positive: np.ndarray) -> float:
    """Return the share of pairs of a positive and a negative row that scores put in order.

    A tie counts half, so this is the area under the ROC curve (Mann and Whitney 1947). It is
    scikit-learn's roc_auc_score, which takes a second to import.

    Args:
        scores: (rows,).
        is_positive: booleans (rows,), neither all true nor all false.
    """
    _, groups, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2)[groups]  # of ties: their mean
    positive = int(is_positive.sum())
    pairs = positive * (len(scores) - positive)
    return float((ranks[is_positive].sum() - positive * (positive + 1) / 2) / pairs)
