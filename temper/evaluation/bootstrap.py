"""Statistics per example → 95 % bootstrap percentile intervals (Efron & Tibshirani 1993)."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

CELLS = 4_000_000  # numbers in memory at a time
QUANTILES = (0.025, 0.975)

WeightedScores = Callable[[np.ndarray, Any], dict[str, np.ndarray]]


def intervals(
    stats: Any,
    weighted_scores: WeightedScores,
    headline: Sequence[str],
    num_samples: int,
    seed: int,
) -> dict[str, float]:
    """Return `<metric>_low` and `<metric>_high` of the headline metrics.

    Args:
        stats: of the examples, (examples, columns), sparse or dense.
        weighted_scores: turns weights (samples, examples) and statistics into scores (samples,).
    """
    rows, counts = distinct_rows(stats)
    distinct, width = stats[rows], max(len(rows), stats.shape[1])
    weights = draw(counts, num_samples, width, seed)
    chunks = [weighted_scores(chunk, distinct) for chunk in weights]
    bounds = {}
    for name in headline:
        values = np.concatenate([chunk[name] for chunk in chunks])
        known = values[~np.isnan(values)]
        low, high = np.quantile(known, QUANTILES) if known.size else (np.nan, np.nan)
        bounds |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return bounds


def distinct_rows(stats: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the first of each kind of equal rows, and how many there are of each.

    Sparse rows hold integers, and are compared by a hash of 64 bits: their sums with random factors
    modulo 2^64, which are the same on every CPU.
    """
    values, axis = stats, 0
    if not isinstance(stats, np.ndarray):
        factors = np.random.default_rng(0).integers(2**63, size=stats.shape[1], dtype=np.int64)
        values, axis = stats.astype(np.int64) @ factors, None
    _, rows, counts = np.unique(values, return_index=True, return_counts=True, axis=axis)
    return rows, counts


def draw(counts: np.ndarray, num_samples: int, width: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each distinct row is drawn with replacement, (samples of a chunk, rows).

    A draw of few distinct rows is one of a multinomial distribution, which takes microseconds
    whatever their counts (rows,) are. `width` numbers per sample bound the samples of a chunk.
    """
    random, total, num_rows = np.random.default_rng(seed), int(counts.sum()), len(counts)
    chunk = max(1, min(num_samples, CELLS // max(width, 1)))
    for start in range(0, num_samples, chunk):
        size = min(chunk, num_samples - start)
        if num_rows < total:
            yield random.multinomial(total, counts / total, size).astype(float)
        else:
            drawn = random.integers(0, total, (size, total)) + total * np.arange(size)[:, None]
            flat = np.bincount(drawn.reshape(-1), minlength=size * total)
            yield flat.reshape(size, total).astype(float)
