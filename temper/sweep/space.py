"""The search space of a sweep: the values of each trial, and whether params.yaml accepts them."""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import optuna

from temper import params
from temper.compare.experiments import format_value
from temper.core import validation
from temper.sweep.sweep_config import Space, SweepConfig

DIGITS = 12  # significant ones of the values in a grid's range
DIGITS_SHOWN = 4
Values = dict[str, Any]  # dotted key → value


def is_active(space: Space, values: Values) -> bool:
    """Check whether a parameter's `when` holds for the values of the parameters before it."""
    for key, condition in (space.when or {}).items():
        allowed = condition if isinstance(condition, list) else [condition]
        if key not in values or values[key] not in allowed:
            return False
    return True


def grid(spaces: Mapping[str, Space]) -> list[Values]:
    """Return every configuration of a grid, without the parameters whose `when` does not hold."""
    configurations: list[Values] = [{}]
    for name, space in spaces.items():
        choices = [{name: value} for value in grid_values(space)]
        configurations = [
            values | choice
            for values in configurations
            for choice in (choices if is_active(space, values) else [{}])
        ]
    return configurations


def grid_values(space: Space) -> list[Any]:
    """Return the values of a choice, or of a range with a step, both ends included."""
    if space.choice is not None:
        return list(space.choice)
    assert space.low is not None
    assert space.high is not None
    assert space.step is not None
    count = int((space.high - space.low) / space.step * (1 + 1e-9)) + 1
    values = [space.low + i * space.step for i in range(count)]
    return [v if isinstance(v, int) else float(f"{v:.{DIGITS}g}") for v in values]


def suggest(trial: optuna.Trial, name: str, space: Space, is_integer: bool | None) -> Any:
    """Draw the value of a parameter, unless the trial has it; `is_integer` is None on a grid."""
    if space.choice is not None or is_integer is None:
        choices = {encode_choice(value): value for value in grid_values(space)}
        return choices[trial.suggest_categorical(name, list(choices))]
    draw: Any = trial.suggest_int if is_integer else trial.suggest_float
    step = (space.step or 1) if is_integer else space.step
    return draw(name, space.low, space.high, step=step, log=space.log)


def encode_choice(value: Any) -> Any:
    """Encode mappings and lists as JSON, since Optuna stores only plain values."""
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value


def with_values(tree: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """Return a copy of the parameters with dotted keys set."""
    changed = copy.deepcopy(dict(tree))
    set_values(changed, values)
    return changed


def set_values(tree: dict[str, Any], values: Values) -> None:
    """Set dotted keys in place; a group that is missing or null is created."""
    for name, value in values.items():
        *groups, last = name.split(".")
        inner = tree
        for group in groups:
            if not isinstance(inner.get(group), dict):
                inner[group] = {}
            inner = inner[group]
        inner[last] = copy.deepcopy(value)


def mistakes(
    config: SweepConfig, tree: Mapping[str, Any]
) -> Iterator[tuple[validation.Location, str]]:
    """Yield the choices and ends of ranges that the schema of params.yaml refuses: key, message.

    Each is checked alone: a combination that the schema refuses fails its trial.
    """
    for name, space in config.parameters.items():
        rejected: dict[str, list[str]] = {}
        for value in space.choice if space.choice is not None else (space.low, space.high):
            if message := rejection(tree, name, value):
                rejected.setdefault(message, []).append(repr(value))
        for message, values in rejected.items():
            yield ("parameters", name), f"{', '.join(values)}: {message}"


def has_integer_values(tree: Mapping[str, Any], name: str, space: Space) -> bool:
    """Check whether a range holds integers: its ends are, and the schema accepts no others."""
    if not (isinstance(space.low, int) and isinstance(space.high, int)):
        return False
    if space.step is not None:
        return isinstance(space.step, int)
    return rejection(tree, name, space.low + 0.5) is not None


def rejection(tree: Mapping[str, Any], name: str, value: Any) -> str | None:
    """Return why the schema of params.yaml refuses a value of this key; None if it does not."""
    _, found = validation.check(with_values(tree, {name: value}), params.Params, lambda _: ())
    own = [
        f"{'.'.join(map(str, location))}: {message}"
        for location, message in found
        if location[: name.count(".") + 1] == tuple(name.split("."))
    ]
    return "; ".join(own) or None


def format_values(values: Values) -> str:
    """Format values as `train.learning_rate=0.0001 train.batch_size=32`."""
    return " ".join(f"{name}={format_value(value, DIGITS_SHOWN)}" for name, value in values.items())
