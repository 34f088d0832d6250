"""Optuna's trials → what became of them."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Result:
    """One trial as the database knows it."""

    number: int
    configuration: int  # number of the trial whose values it shares
    seed: int | None
    state: str  # COMPLETE, PRUNED, FAIL, RUNNING or WAITING
    values: dict[str, Any]
    score: float | None
    notes: dict[str, Any]  # reason, rev, host, …


def as_result(trial: Any) -> Result:
    """Return what one of Optuna's trials says."""
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
