"""Numbers → mean squared and absolute error, Pearson and Spearman correlation."""

from typing import Any

import numpy as np

HEADLINE = ("pearson", "mse", "spearman", "mae")
GREATER_IS_BETTER = {"mse": False, "rmse": False, "mae": False, "pearson": True, "spearman": True}


def scores(logits: np.ndarray, references: np.ndarray, **_: Any) -> dict[str, float]:
    """Return the metrics; correlations of a constant are not defined and left out.

    Args:
        logits: (rows, 1) or (rows,).
        references: (rows,).
    """
    from scipy.stats import pearsonr, spearmanr

    predictions, targets = logits.reshape(-1), references.astype(np.float64)
    error = predictions - targets
    mse = float((error**2).mean())
    metrics = {"mse": mse, "rmse": mse**0.5, "mae": float(np.abs(error).mean())}
    if len(predictions) > 1 and np.ptp(predictions) > 0 and np.ptp(targets) > 0:
        metrics["pearson"] = float(pearsonr(predictions, targets)[0])  # type: ignore[arg-type]
        metrics["spearman"] = float(spearmanr(predictions, targets)[0])  # type: ignore[arg-type]
    return metrics
