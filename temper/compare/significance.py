"""Paired significance tests of models on the same rows.

Rows are resampled, the same ones for every model (the paired bootstrap). A test is about these two
trained models on rows like these; whether two configurations differ takes several trainings of
each (Dietterich 1998, Neural Computation 10:1895).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from temper.compare.row_scores import RowScores
from temper.evaluation import bootstrap
from temper.prediction.drift import holm

LEVEL = 0.05
DIGITS = 12  # values that differ only by the order of additions are equal


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A score of the second model minus that of the first."""

    metric: str
    value: float
    low: float
    high: float
    p: float
    adjusted: float  # p by Holm, over the models compared with the first

    @property
    def margin(self) -> float:
        """Return the smallest difference that would be significant on these rows."""
        return self.high - self.value


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """Rows that only one of two models has right, and the mid-p value."""

    gained: int  # wrong with the first, right with the second
    lost: int
    p: float
    adjusted: float  # by Holm, as above


Test = TypeVar("Test", Difference, McNemar)


def observed(models: Sequence[RowScores]) -> dict[str, np.ndarray]:
    """Return each score of each model on all rows, (models,)."""
    scores = [m.scores(np.ones((1, m.example_loss.size)), m.per_example_stats) for m in models]
    return {name: np.array([float(values[name][0]) for values in scores]) for name in scores[0]}


def resample(models: Sequence[RowScores], samples: int, seed: int) -> dict[str, np.ndarray]:
    """Return each score of each model in each bootstrap sample, (models, samples).

    The rows of a sample are drawn with replacement, the same for all models (Efron & Tibshirani
    1993, An Introduction to the Bootstrap).
    """
    from scipy.sparse import hstack, issparse

    stats = [model.per_example_stats for model in models]
    joint: Any = hstack(stats, "csr") if issparse(stats[0]) else np.hstack(stats)
    rows, counts = bootstrap.distinct_rows(joint)
    distinct, width = [part[rows] for part in stats], max(len(rows), joint.shape[1])
    parts: dict[str, list[np.ndarray]] = {}
    for weights in bootstrap.draw(counts, samples, width, seed):
        pairs = zip(models, distinct, strict=True)
        scores = [model.scores(weights, values) for model, values in pairs]
        for name in scores[0]:
            parts.setdefault(name, []).append(np.stack([values[name] for values in scores]))
    return {name: np.concatenate(chunk, axis=1) for name, chunk in parts.items()}


def difference(metric: str, observed: np.ndarray, resampled: np.ndarray) -> Difference:
    """Return the second model's score minus the first's, with a 95 % interval and a p-value.

    The p-value is the share of samples whose difference is as far from the observed one as that is
    from 0 (Efron & Tibshirani 1993, chapter 16; Davison & Hinkley 1997 for the added 1). The
    interval is the symmetric one (Hall 1988, J. R. Statist. Soc. B 50:35), so the two agree: it
    excludes 0 where p is 0.05 or less.

    Args:
        observed: both scores on all rows, (2,).
        resampled: both scores in each sample, (2, samples); samples without a score are ignored.
    """
    value = round(float(observed[1] - observed[0]), DIGITS)
    differences = resampled[1] - resampled[0]
    differences = differences[np.isfinite(differences)]
    spread = np.sort(np.abs(differences - value).round(DIGITS))
    p = (1 + (spread >= abs(value)).sum()) / (len(spread) + 1)
    reach = float(spread[-max(int(LEVEL * (len(spread) + 1)), 1)]) if len(spread) else np.inf
    low, high = value - reach, value + reach
    return Difference(metric=metric, value=value, low=low, high=high, p=float(p), adjusted=float(p))


def mcnemar(first: np.ndarray, second: np.ndarray) -> McNemar:
    """Test which rows two models have right (McNemar 1947, Psychometrika 12:153).

    If the models were equally good, each would have half of the rows that only one of them has
    right. The mid-p value counts the observed outcome by half: the exact test is conservative, this
    one has about its nominal level (Fagerland, Lydersen & Laake 2013, BMC Medical Research
    Methodology 13:91; benchmarks/seeds.py).

    Args:
        first: which rows the first model has right, (rows,).
        second: likewise.
    """
    from scipy.stats import binom, binomtest

    gained, lost = int((~first & second).sum()), int((first & ~second).sum())
    if gained + lost == 0:
        return McNemar(gained=0, lost=0, p=1.0, adjusted=1.0)
    exact = binomtest(gained, gained + lost).pvalue
    p = exact - binom.pmf(gained, gained + lost, 0.5) if gained != lost else 1.0
    return McNemar(gained=gained, lost=lost, p=float(p), adjusted=float(p))


def adjust(tests: Sequence[Test]) -> list[Test]:
    """Adjust the p-values of several models' tests against one, by Holm."""
    adjusted = holm([test.p for test in tests])
    return [replace(test, adjusted=p) for test, p in zip(tests, adjusted, strict=True)]


def welch(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float] | None:
    """Return the 95 % interval of the difference of two means over seeds, and its p-value.

    Welch's t-test (Welch 1947, Biometrika 34:28): the seeds vary, the test rows are as they are.
    None where no seed differs: without a deviation there is no test.
    """
    from scipy.stats import ttest_ind

    if max(np.ptp(first), np.ptp(second)) < 10.0**-DIGITS:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # one of the groups may have no deviation
        test: Any = ttest_ind(second, first, equal_var=False)  # its class has dynamic attributes
    low, high = test.confidence_interval(1 - LEVEL)
    return float(low), float(high), float(test.pvalue)
