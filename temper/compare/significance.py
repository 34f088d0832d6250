"""Two models on the same rows → how likely a difference like theirs is without a real one.

Rows are drawn again, the same ones for every model (the paired bootstrap). A test of two models
speaks of these two, on rows like these; what another seed would have made of the same configuration
is a question for several trainings of each (Dietterich 1998, Neural Computation 10:1895).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from temper.compare.row_scores import RowScores
from temper.evaluation.bootstrap import chunk_sizes

LEVEL = 0.05
FEW_COLUMNS = 8  # of statistics that may repeat from row to row
DIGITS = 12  # what is equal but for the order of additions is equal


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A score of the second model minus that of the first."""

    metric: str
    value: float
    low: float
    high: float
    p: float
    adjusted: float  # by Holm, over the models compared with the first

    @property
    def margin(self) -> float:
        """Return what a difference has to exceed to show on these rows."""
        return self.high - self.value


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """Rows that one of two models has right, and the mid-p value."""

    gained: int  # wrong with the first, right with the second
    lost: int
    p: float
    adjusted: float  # by Holm, as above


Test = TypeVar("Test", Difference, McNemar)


def observed(models: Sequence[RowScores]) -> dict[str, np.ndarray]:
    """Return each score of each model on all rows, (models,)."""
    found = [m.scores(np.ones((1, m.example_loss.size)), m.per_example_stats) for m in models]
    return {name: np.array([float(one[name][0]) for one in found]) for name in found[0]}


def resample(models: Sequence[RowScores], samples: int, seed: int) -> dict[str, np.ndarray]:
    """Return each score of each model in each bootstrap sample, (models, samples).

    The rows of a sample are drawn with replacement, the same for all models (Efron & Tibshirani
    1993, An Introduction to the Bootstrap). Where rows repeat in what is counted of them, the
    counts are drawn from a multinomial distribution, which is the same and faster.
    """
    random = np.random.default_rng(seed)
    rows, counts = patterns(models)
    statistics = [model.per_example_stats[rows] for model in models]
    width = max(len(rows), *(model.width for model in models))
    parts: dict[str, list[np.ndarray]] = {}
    for weights in _weights(random, counts, samples, width):
        pairs = zip(models, statistics, strict=True)
        found = [model.scores(weights, numbers) for model, numbers in pairs]
        for name in found[0]:
            parts.setdefault(name, []).append(np.stack([one[name] for one in found]))
    return {name: np.concatenate(chunk, axis=1) for name, chunk in parts.items()}


def patterns(models: Sequence[RowScores]) -> tuple[np.ndarray, np.ndarray]:
    """Return one row of each kind that is alike for every model, and how many there are of it."""
    size = models[0].example_loss.size
    dense = [m.per_example_stats for m in models if isinstance(m.per_example_stats, np.ndarray)]
    if len(dense) < len(models) or sum(part.shape[1] for part in dense) > FEW_COLUMNS:
        return np.arange(size), np.ones(size, dtype=int)
    _, rows, counts = np.unique(np.hstack(dense), axis=0, return_index=True, return_counts=True)
    return rows, counts


def _weights(
    random: np.random.Generator, counts: np.ndarray, samples: int, width: int
) -> Iterator[np.ndarray]:
    """Yield how often each kind of row is drawn, (some samples, kinds)."""
    total, kinds = int(counts.sum()), len(counts)
    for size in chunk_sizes(samples, width):
        if kinds < total:
            yield random.multinomial(total, counts / total, size).astype(float)
        else:
            drawn = random.integers(0, total, (size, total)) + total * np.arange(size)[:, None]
            flat = np.bincount(drawn.reshape(-1), minlength=size * total)
            yield flat.reshape(size, total).astype(float)


def difference(metric: str, seen: np.ndarray, drawn: np.ndarray) -> Difference:
    """Return the second model's score minus the first's, with a 95 % interval and a p-value.

    The p-value is the share of samples whose difference lies as far from the one seen as that lies
    from 0 (Efron & Tibshirani 1993, chapter 16; Davison & Hinkley 1997 for the added 1). The
    interval is the symmetric one (Hall 1988, J. R. Statist. Soc. B 50:35), so the two agree: it
    leaves 0 out where p is 0.05 or less.

    Args:
        metric: its name.
        seen: both scores on all rows, (2,).
        drawn: both scores in each sample, (2, samples); samples without a score do not count.
    """
    value = round(float(seen[1] - seen[0]), DIGITS)
    apart = drawn[1] - drawn[0]
    apart = apart[np.isfinite(apart)]
    spread = np.sort(np.abs(apart - value).round(DIGITS))
    p = (1 + (spread >= abs(value)).sum()) / (len(spread) + 1)
    reach = float(spread[-max(int(LEVEL * (len(spread) + 1)), 1)]) if len(spread) else np.inf
    low, high = value - reach, value + reach
    return Difference(metric=metric, value=value, low=low, high=high, p=float(p), adjusted=float(p))


def mcnemar(first: np.ndarray, second: np.ndarray) -> McNemar:
    """Compare which rows two models have right (McNemar 1947, Psychometrika 12:153).

    Of the rows that one model alone has right, half would be each one's if the two were equally
    good. The mid-p value counts the outcome seen by half: the exact test calls equal models
    different too seldom, this one about as often as it says (Fagerland, Lydersen & Laake 2013, BMC
    Medical Research Methodology 13:91; benchmarks/seeds.py).

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
    """Return tests of several models against one, with p-values that hold for all together."""
    found = holm([test.p for test in tests])
    return [replace(test, adjusted=p) for test, p in zip(tests, found, strict=True)]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that hold for all of them together (Holm 1979, Scand. J. Statist. 6:65)."""
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values)[order] * np.arange(len(order), 0, -1)
    found = np.empty(len(order))
    found[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return found.tolist()


def welch(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float]:
    """Return the 95 % interval of the difference of two means over seeds, and its p-value.

    Welch's t-test (Welch 1947, Biometrika 34:28): the seeds vary, the test rows are as they are.
    """
    from scipy.stats import t

    value = float(np.mean(second) - np.mean(first))
    one, other = (np.var(scores, ddof=1) / len(scores) for scores in (first, second))
    spread = float(np.sqrt(one + other))
    if spread < 10.0**-DIGITS:
        return value, value, float(abs(value) < 10.0**-DIGITS)
    freedom = spread**4 / (one**2 / (len(first) - 1) + other**2 / (len(second) - 1))
    reach = float(t.ppf(1 - LEVEL / 2, freedom)) * spread
    return value - reach, value + reach, float(2 * t.sf(abs(value) / spread, freedom))
