"""Parse and validate sweep.yaml; one error lists every mistake with its line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from temper.core import yaml_file
from temper.core.errors import InputError, nearest
from temper.params.group import Count, Group, Name, Positive, Seed

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SweepName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*(-[A-Za-z0-9_]+)*$")]
EXPECTED = {
    "string_pattern_mismatch": "expected letters, digits and _, with single - between",
    "model_type": "expected keys and values in { }",
    "model_attributes_type": "expected keys and values in { }",
}  # by type of pydantic error, instead of its message
OBJECTIVE_PREFIX = "validation."


class Space(Group):
    """The values one parameter can take."""

    choice: tuple[Any, ...] | None = Field(default=None, description="One of these.")
    low: int | float | None = Field(default=None, description="Smallest value of a range.")
    high: int | float | None = Field(default=None, description="Largest value of a range.")
    log: bool = Field(default=False, description="Draw uniformly on a logarithmic scale.")
    step: Annotated[int | float, Field(gt=0)] | None = Field(
        default=None, description="Distance between the values of a range; null: every value."
    )
    when: dict[str, Any] | None = Field(
        default=None, description="Only where other parameters of the sweep have these values."
    )

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
    trials: Positive | None = Field(default=None, description="Trainings; every seed counts.")
    minutes: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="No trial starts after this much work on the sweep, per machine."
    )


class Prune(Group):
    after_trials: Count = Field(description="The first n trials are never stopped early.")
    after_evaluations: Count = Field(description="Evaluations before a trial may be stopped.")


class SweepConfig(Group):
    """The contents of sweep.yaml."""

    name: SweepName = Field(description="Name of the sweep; its experiments are <name>-<number>.")
    method: Literal["grid", "random", "tpe"] = Field(description="Search method.")
    objective: Name = Field(description="validation.<metric>, of the weights that training saves.")
    parameters: Annotated[dict[Name, Space], Field(min_length=1)] = Field(
        description="Dotted key of params.yaml → its values."
    )
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] | None = Field(
        default=None, description="Every configuration is trained with each of these seeds."
    )
    budget: Budget = Field(default=Budget(), description="What ends the sweep.")
    prune: Prune | None = Field(
        default=None,
        description="Stop trials worse than the median of the others; null: do not.",
    )
    seed: Seed | None = Field(default=None, description="Seed of the search.")
    storage: Name | None = Field(
        default=None, description="An Optuna storage URL; null: a SQLite file under sweeps/."
    )

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
    tree = yaml_file.compose(path)
    raw = yaml_file.values(tree, str(path))
    lines = {f"  {path}:{line}: {text}" for line, _, text in yaml_file.mistakes(tree)}
    config = None
    try:
        config = SweepConfig.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        lines |= {_format_error(path, tree, item) for item in error.errors()}
    for location, message in _parameter_errors(config) if config else ():
        line = yaml_file.line_of(tree, location)
        lines.add(f"  {path}:{line}: {'.'.join(location)}: {message}")
    if config is None or lines:
        heading = f"{len(lines)} mistake{'s' * (len(lines) > 1)} in {path}"
        raise InputError("\n".join([heading, *sorted(lines)]))
    return config


def _parameter_errors(config: SweepConfig) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the mistakes in a parameter with respect to the others or the method: key, message."""
    for name, space in config.parameters.items():
        if config.method == "grid" and space.choice is None and space.step is None:
            message = "no step, which method: grid needs; add one, or list the values under choice"
            yield ("parameters", name), message
        for key in space.when or ():
            if message := _condition_error(config, name, key):
                yield ("parameters", name, "when", key), message


def _condition_error(config: SweepConfig, name: str, key: str) -> str | None:
    """Return what is wrong with the condition of `name` on the parameter `key`."""
    names = list(config.parameters)
    before = names[: names.index(name)]
    if key not in before:
        return f"not a parameter listed above this one{nearest(key, before)}"
    choices = config.parameters[key].choice
    condition = config.parameters[name].when[key]  # type: ignore[index]
    for value in condition if isinstance(condition, list) else [condition]:
        if choices is not None and value not in choices:
            return f"{value!r} is not one of its choices {', '.join(map(repr, choices))}"
    return None


def _format_error(path: Path, tree: yaml.Node, item: "ErrorDetails") -> str:
    """Format one of pydantic's errors with its line."""
    location = [part for part in item["loc"] if part not in ("int", "float")]
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        allowed = _allowed_keys(location[:-1])
        message = f"unknown key{nearest(str(location[-1]), allowed)}; allowed: {', '.join(allowed)}"
    elif item["type"] not in ("value_error", "missing"):
        message = f"{EXPECTED.get(item['type'], message)}; found {item['input']!r}"
    key = ".".join(map(str, location))
    return f"  {path}:{yaml_file.line_of(tree, location)}: {key + ': ' if key else ''}{message}"


def _allowed_keys(location: list[Any]) -> list[str]:
    """Return the keys of the group at a location in the file."""
    model: Any = SweepConfig
    for part in location:
        if not hasattr(model, "model_fields") or part not in model.model_fields:
            continue  # a parameter's name
        model = _group_in(model.model_fields[part].annotation)
    return list(model.model_fields)


def _group_in(annotation: Any) -> Any:
    """Return the pydantic model inside `X | None` or `dict[…, X]`."""
    if hasattr(annotation, "model_fields"):
        return annotation
    return next((m for a in get_args(annotation) if (m := _group_in(a)) is not None), None)
