"""Cosine similarities and scores of pairs → Spearman's and Pearson's correlation."""

import numpy as np

from temper.metrics import regression

HEADLINE = ("spearman", "pearson")
GREATER_IS_BETTER = dict.fromkeys(HEADLINE, True)


per_example_stats = regression.per_example_stats  # similarity and score of each pair, (rows, 2)


def weighted_scores(weights: np.ndarray, stats: np.ndarray) -> dict[str, np.ndarray]:
    """Return the correlations of samples, (samples,) each; see `regression.weighted_scores`."""
    scores = regression.weighted_scores(weights, stats)
    return {name: scores[name] for name in HEADLINE}


def example_loss(stats: np.ndarray) -> np.ndarray:
    """Return how far apart the ranks of a pair's similarity and score are, as a share of all."""
    from scipy.stats import rankdata

    similarities, scores = (rankdata(column) for column in stats.T)
    return np.abs(similarities - scores) / len(stats)
