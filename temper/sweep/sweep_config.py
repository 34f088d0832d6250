"""Parse and validate sweep.yaml; one error lists every mistake with its line."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from temper.core import validation
from temper.core.errors import nearest
from temper.params.group import Count, Group, Name, Positive, Seed

OBJECTIVE_PREFIX = "validation."


def check_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z]\w*(-\w+)*", name, re.ASCII):
        raise ValueError(f"expected letters, digits and _, with single - between; found {name!r}")
    return name


class Space(Group):
    """The values one parameter can take: a choice, or a range."""

    choice: tuple[Any, ...] | None = None
    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    step: Annotated[int | float, Field(gt=0)] | None = None
    when: dict[str, Any] | None = None  # another parameter → its value, or a list of them

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        has_range = self.low is not None or self.high is not None
        if (self.choice is not None) == has_range:
            raise ValueError("give either choice: […], or low and high")
        if self.choice is not None:
            texts = [json.dumps(value, sort_keys=True) for value in self.choice]
            if len(set(texts)) < max(len(texts), 1):
                raise ValueError("choice is empty or has duplicates")
            if self.log or self.step is not None:
                raise ValueError("log and step apply to a range; remove them next to choice")
            return self
        if self.low is None or self.high is None:
            raise ValueError("a range needs low and high")
        if not self.low < self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"log: true needs a low above 0; found {self.low}")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other; remove one")
        return self


class Budget(Group):
    trials: Positive | None = None  # each seed counted
    minutes: Annotated[float, Field(gt=0)] | None = None  # of work on the sweep, per machine


class Prune(Group):
    after_trials: Count
    after_evaluations: Count


class SweepConfig(Group):
    """The contents of sweep.yaml; docs/sweep.md says what the keys mean."""

    name: Annotated[str, AfterValidator(check_name)]
    method: Literal["grid", "random", "tpe"]
    objective: Name  # validation.<metric>
    parameters: Annotated[dict[Name, Space], Field(min_length=1)]  # by dotted key of params.yaml
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] | None = None
    budget: Budget = Budget()
    prune: Prune | None = None
    seed: Seed | None = None
    storage: Name | None = None  # Optuna's URL; None: a SQLite file under sweeps/

    @property
    def metric(self) -> str:
        return self.objective.removeprefix(OBJECTIVE_PREFIX)

    @property
    def num_seeds(self) -> int:
        return len(self.seeds or (None,))

    @field_validator("objective")
    @classmethod
    def _of_validation(cls, value: str) -> str:
        if value.startswith("test"):
            raise ValueError(
                f"{value}: a score that selects parameters is no longer an unbiased test score; "
                "use validation.<metric>"
            )
        if not value.startswith(OBJECTIVE_PREFIX) or value == OBJECTIVE_PREFIX:
            raise ValueError(f"{value!r}: expected validation.<metric>")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.seeds is not None and len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds has duplicates")
        if self.seeds is not None and "seed" in self.parameters:
            raise ValueError("seeds and parameters.seed exclude each other; remove one")
        if self.method == "grid":
            if self.seed is not None:
                raise ValueError("seed has no effect with method: grid; remove it")
        elif self.seed is None:
            raise ValueError(f"seed is missing; method: {self.method} needs one")
        elif self.budget == Budget():
            raise ValueError(f"budget is missing: without one, method: {self.method} never ends")
        trials = self.budget.trials
        if trials is not None and trials % self.num_seeds:
            raise ValueError(
                f"budget.trials {trials} is not a multiple of {self.num_seeds} seeds: every seed "
                "counts as a trial"
            )
        return self


def load(path: Path) -> SweepConfig:
    """Read and check a sweep file.

    Raises:
        InputError: the file is missing, is not YAML, or does not fit; every mistake is listed with
            its line.
    """
    return validation.load(path, SweepConfig, parameter_mistakes, page="docs/sweep.md")


def parameter_mistakes(config: SweepConfig) -> Iterator[tuple[validation.Location, str]]:
    """Yield the mistakes in a parameter with respect to the others or the method: key, message."""
    before: dict[str, Space] = {}
    for name, space in config.parameters.items():
        if config.method == "grid" and space.choice is None and space.step is None:
            message = "no step, which method: grid needs; add one, or list the values under choice"
            yield ("parameters", name), message
        for key, condition in (space.when or {}).items():
            location = ("parameters", name, "when", key)
            if key not in before:
                yield location, f"not a parameter listed above this one{nearest(key, [*before])}"
                continue
            choices = before[key].choice
            for value in condition if isinstance(condition, list) else [condition]:
                if choices is not None and value not in choices:
                    allowed = ", ".join(map(repr, choices))
                    yield location, f"{value!r} is not one of its choices {allowed}"
        before[name] = space
