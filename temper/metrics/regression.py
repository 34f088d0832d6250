"""Numbers → mean squared and absolute error, Pearson and Spearman correlation."""

from typing import Any

import numpy as np

from temper.metrics import aggregates
from temper.metrics.label_stats import LabelOutputs

HEADLINE = ("pearson", "mse", "spearman", "mae")
GREATER_IS_BETTER = {"mse": False, "rmse": False, "mae": False, "pearson": True, "spearman": True}


def outputs(logits: np.ndarray, references: np.ndarray | None, threshold: Any) -> LabelOutputs:
    """Return the numbers that logits (rows, 1) or (rows,) are, with their squared errors."""
    predictions = logits.reshape(-1)
    return LabelOutputs(
        predictions=predictions,
        confidence=predictions,
        loss=None if references is None else (predictions - references) ** 2,
        probabilities=np.empty((len(predictions), 0)),
    )


def per_example_stats(predictions: Any, references: Any, num_labels: int = 0) -> np.ndarray:
    """Return prediction and reference of each row, (rows, 2)."""
    return np.stack([predictions, np.asarray(references, dtype=float)], 1)


def weighted_scores(weights: np.ndarray, stats: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of samples, (samples,) each; correlations of a constant or of NaN are NaN.

    They are not functions of sums: ranks are those in the sample.

    Args:
        weights: how often each sample has each row, (samples, rows).
        stats: of `per_example_stats`.
    """
    columns, total = stats.T, weights.sum(1)
    error = columns[0] - columns[1]
    mse = (weights * error**2).sum(1) / total
    spearman = aggregates.correlation(weights, *(aggregates.ranks(weights, c) for c in columns))
    pearson = aggregates.correlation(weights, *columns)
    # ranks of a constant have no rounding error; ranks of NaN are numbers
    is_undefined = np.isnan(pearson) | np.isnan(spearman)
    return {
        "mse": mse,
        "rmse": np.sqrt(mse),
        "mae": (weights * np.abs(error)).sum(1) / total,
        "pearson": np.where(is_undefined, np.nan, pearson),
        "spearman": np.where(is_undefined, np.nan, spearman),
    }


def probability_scores(outputs: LabelOutputs, references: Any) -> dict[str, float]:
    """Return nothing: a number has no probability."""
    return {}
