"""Token statistics of texts → perplexity and next-token accuracy."""

import numpy as np

from temper.metrics import aggregates

HEADLINE = ("perplexity", "accuracy")
GREATER_IS_BETTER = {"perplexity": False, "accuracy": True}


def per_example_stats(predictions: list, references: list) -> np.ndarray:
    """Return -log p, hits and tokens of each example, which are the predictions."""
    return np.asarray(predictions, dtype=np.float64).reshape(-1, 3)


def aggregate(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics (samples, 3); perplexity may be infinite."""
    with np.errstate(over="ignore"):
        perplexity = np.exp(aggregates.mean(totals, 0, 2))
    return {"perplexity": perplexity, "accuracy": aggregates.mean(totals, 1, 2)}


def example_loss(stats: np.ndarray) -> np.ndarray:
    """Return the mean -log p of each example's tokens."""
    return aggregates.mean(stats, 0, 2)
