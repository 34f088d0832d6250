"""Summed -log p of tokens → perplexity and the share of tokens that were the likeliest."""

import numpy as np

from stages.metrics import sums

HEADLINE = ("perplexity", "accuracy")
GREATER_IS_BETTER = {"perplexity": False, "accuracy": True}


def statistics(predictions: list, references: list) -> np.ndarray:
    """Return -log p, hits and tokens of each example, as they are predicted."""
    return np.asarray(predictions, dtype=np.float64).reshape(-1, 3)


def from_sums(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics (samples, 3)."""
    return {"perplexity": sums.perplexity(totals, 0, 2), "accuracy": sums.mean(totals, 1, 2)}


def badness(rows: np.ndarray) -> np.ndarray:
    """Return the mean -log p of each example's tokens."""
    return sums.mean(rows, 0, 2)
