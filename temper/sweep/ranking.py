"""Results by trial → configurations, best first: mean and deviation over their seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temper.sweep.results import Result


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The finished trials that share their values."""

    number: int
    values: dict[str, Any]
    finished: list[Result]
    is_whole: bool  # whether every seed has finished

    @property
    def scores(self) -> list[float]:
        return [result.score for result in self.finished if result.score is not None]

    @property
    def mean(self) -> float:
        return sum(self.scores) / len(self.scores)

    @property
    def typical(self) -> Result:
        """Return the trial whose score is nearest the mean, the first of equals.

        Not the best one: of several seeds that would be the luckiest.
        """
        return min(self.finished, key=lambda r: (abs((r.score or 0.0) - self.mean), r.number))


def ranked(results: Sequence[Result], num_seeds: int, *, greater: bool) -> list[Configuration]:
    """Return the configurations that have scores, best mean first.

    Those that lack a seed come after the whole ones; of equals the one that began first is first.
    """
    members: dict[int, list[Result]] = {}
    for result in results:
        if result.score is not None:
            members.setdefault(result.configuration, []).append(result)
    found = [
        Configuration(
            number=number,
            values=rows[0].values,
            finished=sorted(rows, key=lambda r: r.number),
            is_whole=len(rows) == num_seeds,
        )
        for number, rows in members.items()
    ]
    sign = -1 if greater else 1
    return sorted(found, key=lambda c: (not c.is_whole, sign * c.mean, c.number))
