"""Numbers → mean squared and absolute error, Pearson and Spearman correlation."""

from typing import Any

import numpy as np

HEADLINE = ("pearson", "mse", "spearman", "mae")
GREATER_IS_BETTER = {"mse": False, "rmse": False, "mae": False, "pearson": True, "spearman": True}


def scores(logits: np.ndarray, references: np.ndarray, **_: Any) -> dict[str, float]:
    """Return the metrics; correlations of a constant are left out, for they are not defined.

    Args:
        logits: (rows, 1) or (rows,).
        references: (rows,).
    """
    from scipy.stats import pearsonr, spearmanr

    found, wanted = logits.reshape(-1), references.astype(np.float64)
    error = found - wanted
    mse = float((error**2).mean())
    result = {"mse": mse, "rmse": mse**0.5, "mae": float(np.abs(error).mean())}
    if len(found) > 1 and np.ptp(found) > 0 and np.ptp(wanted) > 0:
        result["pearson"] = float(pearsonr(found, wanted)[0])  # type: ignore[arg-type]
        result["spearman"] = float(spearmanr(found, wanted)[0])  # type: ignore[arg-type]
    return result
