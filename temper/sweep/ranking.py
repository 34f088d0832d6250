"""Group trials by configuration and rank them by the mean score over their seeds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The scored trials with the same values."""

    values: dict[str, Any]
    trials: list[FrozenTrial]

    @property
    def scores(self) -> list[float]:
        return [trial.value for trial in self.trials if trial.value is not None]

    @property
    def mean(self) -> float:
        return sum(self.scores) / len(self.scores)

    @property
    def typical(self) -> FrozenTrial:
        """Return the trial whose score is nearest the mean, the first of equals.

        Not the best one: of several seeds that would be the luckiest.
        """
        distances = [abs(score - self.mean) for score in self.scores]
        return self.trials[distances.index(min(distances))]


def rank(
    trials: Iterable[FrozenTrial], num_seeds: int, *, greater_is_better: bool
) -> list[Configuration]:
    """Return the scored configurations, best mean first.

    Configurations that lack a seed follow the complete ones; of equals the earliest is first.

    Args:
        trials: in the order of their numbers.
        num_seeds: of a complete configuration.
    """
    members: dict[int, list[FrozenTrial]] = {}
    for trial in trials:
        if trial.state.name == "COMPLETE":
            members.setdefault(trial.user_attrs["configuration"], []).append(trial)
    configurations = [
        Configuration(values=same[0].user_attrs["values"], trials=same) for same in members.values()
    ]
    sign = -1 if greater_is_better else 1
    return sorted(configurations, key=lambda c: (len(c.trials) < num_seeds, sign * c.mean))


def describe_failure(trials: Sequence[FrozenTrial], name: str) -> str | None:
    """Describe a sweep all of whose trials that have ended failed; None for any other."""
    ended = [trial for trial in trials if trial.state.is_finished()]
    if not ended or any(trial.state.name != "FAIL" for trial in ended):
        return None
    notes = ended[-1].user_attrs
    return (
        f"all {len(ended)} trials of {name} failed, the last with: {notes['reason']} (log "
        f"{notes.get('log')}); mend the cause, and start again after rm -r sweeps/{name}"
    )
