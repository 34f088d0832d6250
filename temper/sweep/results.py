"""The result of a trial, as read from Optuna's database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

ENDED = ("COMPLETE", "PRUNED", "FAIL")

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass(frozen=True, kw_only=True)
class Result:
    """One trial as the database has it."""

    number: int
    configuration: int  # number of the first trial with the same values
    seed: int | None
    state: str  # COMPLETE, PRUNED, FAIL, RUNNING or WAITING
    values: dict[str, Any]
    score: float | None
    notes: dict[str, Any]  # Optuna's other user attributes: reason, rev, where, …


def describe_failure(results: Sequence[Result], name: str) -> str | None:
    """Describe a sweep all of whose trials that have ended failed; None for any other."""
    ended = [result for result in results if result.state in ENDED]
    if not ended or any(result.state != "FAIL" for result in ended):
        return None
    notes = ended[-1].notes
    return (
        f"all {len(ended)} trials of {name} failed, the last with: {notes.get('reason')} (log "
        f"{notes.get('log')}); mend the cause, and start again after rm -r sweeps/{name}"
    )


def to_result(trial: "FrozenTrial") -> Result:
    notes = dict(trial.user_attrs)
    return Result(
        number=trial.number,
        configuration=notes.pop("configuration", trial.number),
        seed=notes.pop("seed", None),
        values=notes.pop("values", {}),
        state=trial.state.name,
        score=trial.value if trial.state.name == "COMPLETE" else None,
        notes=notes,
    )
