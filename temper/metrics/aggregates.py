"""Columns of totals → the quotients that most scores are; ranks, correlation, area under ROC."""

import numpy as np


def safe_divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the quotient, 0 where the denominator is 0, as scikit-learn's `zero_division=0`."""
    zeros = np.zeros_like(numerator, dtype=float)
    return np.divide(numerator, denominator, out=zeros, where=denominator > 0)


def mean(totals: np.ndarray, sum_column: int, count_column: int) -> np.ndarray:
    """Return a column of sums over a column of counts, 0 where the count is 0; (samples,)."""
    return safe_divide(totals[:, sum_column], totals[:, count_column])


def precision_recall_f1(
    hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the three scores of counts, which have one shape."""
    return {
        "precision": safe_divide(hits, predicted),
        "recall": safe_divide(hits, actual),
        "f1": safe_divide(2 * hits, predicted + actual),
    }


def log_loss(probabilities: np.ndarray) -> np.ndarray:
    """Return -log p of the references' probabilities, none counted as less than 1e-15."""
    return -np.log(np.clip(probabilities, 1e-15, 1))


def ranks(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the rank of each row's value in each sample, (samples, rows); ties share their mean.

    Args:
        weights: how often each sample has each row, (samples, rows).
        values: (rows,).
    """
    from scipy.sparse import csr_array

    _, groups = np.unique(values, return_inverse=True)
    membership = csr_array((np.ones(len(groups)), (np.arange(len(groups)), groups)))
    counts = weights @ membership  # (samples, distinct values)
    return (counts.cumsum(1) - (counts - 1) / 2)[:, groups]


def correlation(weights: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Pearson's r in each sample, (samples,); NaN where one side is constant.

    Args:
        weights: as in `ranks`.
        first: (rows,), or (samples, rows) where each sample has its own values.
        second: likewise.
    """
    total = weights.sum(1, keepdims=True)
    x, y = (v - (weights * v).sum(1, keepdims=True) / total for v in (first, second))
    norm = np.sqrt((weights * x**2).sum(1) * (weights * y**2).sum(1))
    covariance = (weights * x * y).sum(1)
    return np.divide(covariance, norm, out=np.full(len(norm), np.nan), where=norm > 0)


def area_under_roc(scores: np.ndarray, is_positive: np.ndarray) -> float:
    """Return the share of pairs of a positive and a negative row that scores put in order.

    A tie counts half, so this is the area under the ROC curve (Mann and Whitney 1947). It is
    scikit-learn's roc_auc_score, which takes a second to import.

    Args:
        scores: (rows,).
        is_positive: booleans (rows,), neither all true nor all false.
    """
    positive = int(is_positive.sum())
    pairs = positive * (len(scores) - positive)
    rank_sum = ranks(np.ones((1, len(scores))), scores)[0, is_positive].sum()
    return float((rank_sum - positive * (positive + 1) / 2) / pairs)
