"""Indices of choices → accuracy."""

import numpy as np

from temper.metrics import aggregates

HEADLINE = ("accuracy",)
GREATER_IS_BETTER = {"accuracy": True}


def per_example_stats(predictions: list, references: list) -> np.ndarray:
    """Return 1 for a hit or 0, and 1, of each example."""
    hits = np.asarray(predictions) == np.asarray(references)
    return np.stack([hits, np.ones_like(hits)], 1).astype(np.float64)


def aggregate(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics (samples, 2)."""
    return {"accuracy": aggregates.mean(totals, 0, 1)}


def example_loss(stats: np.ndarray) -> np.ndarray:
    """Return 0 for a hit and 1 for a miss."""
    return 1 - stats[:, 0]
