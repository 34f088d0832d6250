"""Scores → 95 % bootstrap percentile intervals (Efron & Tibshirani 1993), rows redrawn.

Scores that depend on counts alone are resampled as counts: drawing rows is drawing the cells of
the confusion matrix from a multinomial distribution, which takes milliseconds.
"""

from collections.abc import Iterator

import numpy as np

from temper import metrics
from temper.evaluation.split_result import LabelSpec, SplitResult
from temper.metrics import classification, multi_label

CELLS = 4_000_000  # numbers held at once
QUANTILES = (0.025, 0.975)


def intervals(scored: SplitResult, spec: LabelSpec, samples: int, seed: int) -> dict[str, float]:
    """Return `<metric>_low` and `<metric>_high` of the metrics that carry intervals.

    Args:
        scored: a split with references.
        setup: of the task.
        samples: how often the rows are drawn.
        seed: of the draws.
    """
    random = np.random.default_rng(seed)
    draw = {"classification": _classes, "multi_label": _labels, "regression": _numbers}[
        spec.metrics
    ]
    parts = list(draw(scored, spec, samples, random))
    found = {}
    for name in metrics.load(spec.metrics).HEADLINE:
        if name in parts[0]:
            drawn = np.concatenate([part[name] for part in parts])
            low, high = np.nanquantile(drawn, QUANTILES)
            found |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return found


def chunks(samples: int, width: int) -> Iterator[int]:
    """Yield how many samples to draw at once."""
    size = max(1, min(samples, CELLS // max(width, 1)))
    for start in range(0, samples, size):
        yield min(size, samples - start)


def _classes(scored: SplitResult, spec: LabelSpec, samples: int, random: np.random.Generator):
    assert scored.references is not None
    width = len(spec.names)
    cells = scored.references.astype(np.int64) * width + scored.predictions
    present, counts = np.unique(cells, return_counts=True)
    for size in chunks(samples, width * width):
        drawn = random.multinomial(len(cells), counts / len(cells), size)
        matrices = np.zeros((size, width * width))
        matrices[:, present] = drawn
        yield classification.from_confusion(matrices.reshape(size, width, width), spec.positive)


def _labels(scored: SplitResult, spec: LabelSpec, samples: int, random: np.random.Generator):
    assert scored.references is not None
    predicted, actual = scored.predictions, scored.references
    hit, exact = predicted.multiply(actual), multi_label.exact_match(predicted, actual)
    rows = len(exact)
    for size in chunks(samples, rows):
        weights = random.multinomial(rows, np.full(rows, 1 / rows), size).astype(float)
        found = multi_label.from_counts(weights @ hit, weights @ predicted, weights @ actual)
        yield found | {"accuracy": weights @ exact / rows}


def _numbers(scored: SplitResult, spec: LabelSpec, samples: int, random: np.random.Generator):
    from scipy.stats import rankdata

    assert scored.references is not None
    rows = len(scored.references)
    for size in chunks(samples, rows):
        chosen = random.integers(0, rows, (size, rows))
        found, wanted = scored.predictions[chosen], scored.references.astype(float)[chosen]
        error = found - wanted
        ranks = rankdata(found, axis=1), rankdata(wanted, axis=1)
        yield {
            "mse": (error**2).mean(1),
            "mae": np.abs(error).mean(1),
            "pearson": _correlation(found, wanted),
            "spearman": _correlation(*ranks),
        }


def _correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    one, other = one - one.mean(1, keepdims=True), other - other.mean(1, keepdims=True)
    spread = np.sqrt((one**2).sum(1) * (other**2).sum(1))
    return np.divide((one * other).sum(1), spread, out=np.full(len(one), np.nan), where=spread > 0)
