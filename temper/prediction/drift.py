"""Facts of predicted rows beside those of validation → a line for each that differs.

`temper predict` and `temper serve` say so on stderr; see docs/predict.md.
"""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from temper.core import artifacts
from temper.core.errors import InputError, summary
from temper.prediction import profile
from temper.prediction.profile import Facts, Known
from temper.tasks.base import Task
from temper.tasks.base.arrays import Rows

MIN_ROWS = 50  # fewer are not compared
LEVEL = 0.05  # probability that rows like those of validation are called different
DRAWS = 1999  # of the permutation test
LEAST = {"numbers": 0.1, "categories": 0.05}  # smaller distances are not worth a line


class Watch:
    """Counts the facts of the rows that a model predicts.

    Args:
        stored: what profile.json has.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is not what an export has.
    """

    def __init__(self, stored: dict[str, Any]):
        self.stored = stored
        self.num_reference: int = stored["rows"]
        self.split: str = stored["split"]
        means = [fact["mean"] for fact in stored["numbers"].values()]
        if not all(map(math.isfinite, (self.num_reference, *means))):
            raise ValueError("a mean is no number")
        for fact in stored["numbers"].values():
            if len(fact["counts"]) != len(fact["edges"]) + 1:
                raise ValueError("as many counts as edges")
        center = stored["center"]
        self.known = Known(
            np.array(stored["common_tokens"], np.int64),
            stored["unknown_token"],
            None if center is None else np.array(center),
        )
        self.clear()

    def clear(self) -> None:
        """Forget the rows."""
        self.num_rows = 0
        self.sums: dict[str, float] = {}
        numbers = self.stored["numbers"]
        self.counts = {name: np.zeros(len(p["counts"]), int) for name, p in numbers.items()}
        self.categories: dict[str, Counter] = {
            name: Counter() for name in self.stored["categories"]
        }

    def add(self, task: Task, features: Rows, num_rows: int, predicted: dict[str, list]) -> None:
        """Count rows; the arguments are those of `profile.of_rows`."""
        facts = profile.of_rows(task, features, num_rows, predicted, self.known)
        self.count(facts, num_rows)

    def count(self, facts: Facts, num_rows: int) -> None:
        """Count the facts of rows."""
        self.num_rows += num_rows
        for name, counts in self.counts.items():
            values = facts.numbers[name]
            counts += profile.count(values, self.stored["numbers"][name]["edges"])
            self.sums[name] = self.sums.get(name, 0.0) + math.fsum(values.tolist())
        for name, counter in self.categories.items():
            counter.update(facts.categories[name])

    @property
    def has_enough_rows(self) -> bool:
        """Whether there are enough rows, here and in validation, to compare them."""
        return min(self.num_rows, self.num_reference) >= MIN_ROWS

    def describe_rows(self) -> str:
        """Return why rows are not compared."""
        return (
            f"{self.num_rows:,} rows: not compared with the {self.num_reference:,} of {self.split} "
            f"({MIN_ROWS} of each are needed)"
        )

    def findings(self) -> list[str]:
        """Return a line for each fact in which the rows differ from those of validation."""
        if not self.has_enough_rows:
            return []
        tests = {}  # of a fact: its distance, p and the least distance to report
        random = np.random.default_rng(0)
        for name, counts in self.counts.items():
            reference = np.array(self.stored["numbers"][name]["counts"])
            tests[name] = (*compare(reference, counts, random, ordered=True), LEAST["numbers"])
        for name, counter in self.categories.items():
            reference = Counter(self.stored["categories"][name])
            names = sorted(reference | counter)
            first, second = (np.array([c[n] for n in names]) for c in (reference, counter))
            tests[name] = (*compare(first, second, random, ordered=False), LEAST["categories"])
        adjusted = dict(zip(tests, holm([p for _, p, _ in tests.values()]), strict=True))
        return [
            f"drift: {self.describe(name)} (distance {distance:.2f}, p {adjusted[name]:.2g}, "
            f"{self.num_rows:,} rows)"
            for name, (distance, _, least) in tests.items()
            if adjusted[name] <= LEVEL and distance >= least
        ]

    def describe(self, name: str) -> str:
        """Return a fact of the rows beside that of validation."""
        if name in self.counts:
            mean, usual = self.sums[name] / self.num_rows, self.stored["numbers"][name]["mean"]
            return f"{name}: mean {mean:.3g}, in {self.split} {usual:.3g}"
        counter, reference = self.categories[name], self.stored["categories"][name]
        shares = {
            value: (counter[value] / self.num_rows, reference.get(value, 0) / self.num_reference)
            for value in sorted({*counter, *reference})
        }
        value, (share, usual) = max(shares.items(), key=lambda item: abs(item[1][0] - item[1][1]))
        return f"{name} {value}: {share:.1%}, in {self.split} {usual:.1%}"


def compare(
    reference: np.ndarray, counts: np.ndarray, random: np.random.Generator, *, ordered: bool
) -> tuple[float, float]:
    """Return how far two histograms are apart, and the p-value of a permutation test.

    The distance is Kolmogorov and Smirnov's of ordered bins, and half the sum of differences of
    shares of others. Under the hypothesis that all rows are of one kind, the counts of the second
    group are a draw without replacement, so the test is exact, with ties and rare values too.

    Args:
        reference: (bins,).
        counts: (bins,), of the rows to test.
        ordered: whether bins have an order.
    """
    sizes = int(reference.sum()), int(counts.sum())

    def distance(drawn: np.ndarray) -> np.ndarray:
        gap = drawn / sizes[1] - (reference + counts - drawn) / sizes[0]
        return np.abs(gap.cumsum(-1)).max(-1) if ordered else np.abs(gap).sum(-1) / 2

    found = float(distance(counts))
    drawn = random.multivariate_hypergeometric(
        reference + counts, sizes[1], size=DRAWS, method="marginals"
    )
    as_far = int((distance(drawn) >= found - 1e-9).sum())
    return found, (1 + as_far) / (1 + DRAWS)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for multiple testing (Holm 1979, Scand. J. Statist. 6:65)."""
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values)[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted.tolist()


def watch(folder: Path) -> Watch | None:
    """Return what counts the rows of an export; None where it has no profile.json.

    Raises:
        InputError: the file is damaged.
    """
    file = folder / profile.FILE
    if not file.exists():
        return None
    try:
        return Watch(artifacts.read_json(file))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{file}: damaged ({summary(error):.100}); copy it again, export again, or delete it"
        ) from error
