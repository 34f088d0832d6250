"""Numbers of choices → accuracy."""

import numpy as np

from temper.metrics import aggregates

HEADLINE = ("accuracy",)
GREATER_IS_BETTER = {"accuracy": True}


def per_example_stats(predictions: list, references: list) -> np.ndarray:
    """Return whether each example is right, and 1."""
    right = np.asarray(predictions) == np.asarray(references)
    return np.stack([right, np.ones_like(right)], 1).astype(np.float64)


def aggregate(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics (samples, 2)."""
    return {"accuracy": aggregates.mean(totals, 0, 1)}


def example_loss(rows: np.ndarray) -> np.ndarray:
    return 1 - rows[:, 0]
