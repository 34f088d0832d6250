"""Completions → exact match of what was written, perplexity of what should have been."""

import numpy as np

from temper.metrics import aggregates

HEADLINE = ("exact_match", "perplexity", "accuracy")
GREATER_IS_BETTER = {"exact_match": True, "perplexity": False, "accuracy": True}
TRAINING = {"perplexity": False, "accuracy": True}


def per_example_stats(predictions: list, references: list) -> np.ndarray:
    """Return -log p, hits, tokens, exact match and 1 of each example.

    Args:
        predictions: (text, statistics of tokens or None) each; a baseline has no probabilities.
        references: a text each.
    """
    nan = (np.nan,) * 3
    rows = [
        (*(nan if tokens is None else tokens), text.strip() == wanted.strip(), 1)
        for (text, tokens), wanted in zip(predictions, references, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 5)


def aggregate(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics (samples, 5); those without probabilities are NaN."""
    return {
        "exact_match": aggregates.mean(totals, 3, 4),
        "perplexity": np.where(np.isnan(totals[:, 0]), np.nan, aggregates.perplexity(totals, 0, 2)),
        "accuracy": np.where(np.isnan(totals[:, 0]), np.nan, aggregates.mean(totals, 1, 2)),
    }


def example_loss(rows: np.ndarray) -> np.ndarray:
    """Return the mean -log p of each example's tokens, more where the text is wrong."""
    return np.nan_to_num(aggregates.mean(rows, 0, 2)) + 1e3 * (1 - rows[:, 3])
