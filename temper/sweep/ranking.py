"""Group trials by configuration and rank them by the mean score over their seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from temper.sweep.results import Result


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The scored trials with the same values."""

    number: int
    values: dict[str, Any]
    trials: list[Result]
    is_complete: bool  # whether every seed has finished

    @property
    def scores(self) -> list[float]:
        return [trial.score for trial in self.trials if trial.score is not None]

    @property
    def mean(self) -> float:
        return sum(self.scores) / len(self.scores)

    @property
    def typical(self) -> Result:
        """Return the trial whose score is nearest the mean, the first of equals.

        Not the best one: of several seeds that would be the luckiest.
        """
        return min(self.trials, key=lambda t: (abs((t.score or 0.0) - self.mean), t.number))


def rank(
    results: Sequence[Result], num_seeds: int, *, greater_is_better: bool
) -> list[Configuration]:
    """Return the scored configurations, best mean first.

    Configurations that lack a seed follow the complete ones; of equals the earliest is first.
    """
    members: dict[int, list[Result]] = {}
    for result in results:
        if result.score is not None:
            members.setdefault(result.configuration, []).append(result)
    configurations = [
        Configuration(
            number=number,
            values=trials[0].values,
            trials=sorted(trials, key=lambda t: t.number),
            is_complete=len(trials) == num_seeds,
        )
        for number, trials in members.items()
    ]
    sign = -1 if greater_is_better else 1
    return sorted(configurations, key=lambda c: (not c.is_complete, sign * c.mean, c.number))
