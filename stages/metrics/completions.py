"""Completions → exact match of what was written, perplexity of what should have been."""

import numpy as np

from stages.metrics import sums

HEADLINE = ("exact_match", "perplexity", "accuracy")
GREATER_IS_BETTER = {"exact_match": True, "perplexity": False, "accuracy": True}
TRAINING = {"perplexity": False, "accuracy": True}


def statistics(predictions: list, references: list) -> np.ndarray:
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


def from_sums(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics (samples, 5); those without probabilities are NaN."""
    return {
        "exact_match": sums.mean(totals, 3, 4),
        "perplexity": np.where(np.isnan(totals[:, 0]), np.nan, sums.perplexity(totals, 0, 2)),
        "accuracy": np.where(np.isnan(totals[:, 0]), np.nan, sums.mean(totals, 1, 2)),
    }


def badness(rows: np.ndarray) -> np.ndarray:
    """Return the mean -log p of each example's tokens, more where the text is wrong."""
    return np.nan_to_num(sums.mean(rows, 0, 2)) + 1e3 * (1 - rows[:, 3])
