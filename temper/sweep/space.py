"""The search space of a sweep: the values of each trial, and whether params.yaml accepts them."""

import copy
import itertools
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from temper import params
from temper.core import yaml_file
from temper.core.errors import InputError
from temper.params import rules
from temper.sweep.sweep_config import Space, SweepConfig

if TYPE_CHECKING:
    import optuna

MAX_COMBINATIONS = 64  # with other parameters' values that are tried before a value is rejected
DIGITS = 12  # significant ones of the values in a grid's range
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
        configurations = [
            values | more
            for values in configurations
            for more in (
                [{name: value} for value in grid_values(space)]
                if is_active(space, values)
                else [{}]
            )
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


def suggest(
    trial: "optuna.Trial",
    config: SweepConfig,
    is_integer: Mapping[str, bool],
    sampler_of: Callable[[str], "optuna.samplers.BaseSampler"],
) -> Values:
    """Draw a trial's values, in the order of the file.

    Args:
        trial: may have some of the values already.
        config: holds the search space.
        is_integer: for each parameter whether its values are integers.
        sampler_of: a parameter's name → the sampler that draws it.
    """
    values: Values = {}
    for name, space in config.parameters.items():
        if not is_active(space, values):
            continue
        trial.study.sampler = sampler_of(name)
        if space.choice is not None or config.method == "grid":
            choices = {encode_choice(value): value for value in grid_values(space)}
            values[name] = choices[trial.suggest_categorical(name, list(choices))]
        else:
            draw: Any = trial.suggest_int if is_integer[name] else trial.suggest_float
            step = (space.step or 1) if is_integer[name] else space.step
            values[name] = draw(name, space.low, space.high, step=step, log=space.log)
    return values


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


def validation_error(tree: Mapping[str, Any]) -> str | None:
    """Return why a tree is not a valid params.yaml, in `temper.params`' words; None if it is."""
    if is_valid(tree):
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        path.write_text(yaml.safe_dump(dict(tree), sort_keys=False), encoding="utf-8")
        try:
            params.load(path)
        except InputError as error:
            lines = [line.strip() for line in str(error).splitlines()[1:]]
            return "; ".join(line.removeprefix(f"{path}:").split(": ", 1)[1] for line in lines)
    return None


def is_valid(tree: Mapping[str, Any]) -> bool:
    """Check whether a tree is a valid params.yaml."""
    try:
        parsed = params.Params.model_validate_json(json.dumps(tree))
    except ValidationError:
        return False
    return not rules.conflicts(parsed)


def check(config: SweepConfig, tree: Mapping[str, Any], path: Path) -> dict[str, bool]:
    """Check every choice and both ends of every range against the schema of params.yaml.

    Returns:
        for each parameter whether its values are integers.

    Raises:
        InputError: lists every value that no configuration can have, with its line in the file.
    """
    nodes, lines, is_integer = yaml_file.compose(path), [], {}
    for name, space in config.parameters.items():
        line = yaml_file.line_of(nodes, ("parameters", name))
        rejected: dict[str, list[str]] = {}
        for value in boundary_values(space):
            if message := rejection(config, tree, name, value):
                rejected.setdefault(message, []).append(repr(value))
        for message, values in rejected.items():
            lines.append(f"  {path}:{line}: parameters.{name}: {', '.join(values)}: {message}")
        is_integer[name] = has_integer_values(config, tree, name, space)
    if lines:
        heading = (
            f"{len(lines)} mistake{'s' * (len(lines) > 1)}: values params.yaml does not accept"
        )
        raise InputError("\n".join([heading, *lines]))
    if config.method == "grid":
        check_grid(config, tree, path)
    return is_integer


def check_grid(config: SweepConfig, tree: Mapping[str, Any], path: Path) -> None:
    """Check every configuration of a grid against the schema.

    Raises:
        InputError: one is invalid; names it.
    """
    configurations = grid(config.parameters)
    errors = [(c, validation_error(with_values(tree, c))) for c in configurations]
    invalid = [(values, message) for values, message in errors if message]
    if invalid:
        values, message = invalid[0]
        raise InputError(
            f"{path}: {len(invalid)} of the grid's {len(configurations)} configurations are "
            f"invalid; the first is {format_values(values)}: {message}; exclude them with `when`"
        )


def has_integer_values(
    config: SweepConfig, tree: Mapping[str, Any], name: str, space: Space
) -> bool:
    """Check whether a range holds integers: its ends are, and the schema accepts no others."""
    given = (space.low, space.high, space.step or 1)
    if space.choice is not None or not all(isinstance(value, int) for value in given):
        return False
    middle = space.low + 0.5  # type: ignore[operator]
    return space.step is not None or rejection(config, tree, name, middle) is not None


def boundary_values(space: Space) -> list[Any]:
    """Return the values to check: every choice, or both ends of a range."""
    return list(space.choice) if space.choice is not None else [space.low, space.high]


def rejection(config: SweepConfig, tree: Mapping[str, Any], name: str, value: Any) -> str | None:
    """Return why a value is invalid, alone and with every value of the other parameters."""
    combinations = itertools.islice(combinations_with(config, name, value), MAX_COMBINATIONS)
    trees = [with_values(tree, values) for values in combinations]
    return None if any(map(is_valid, trees)) else validation_error(trees[0])


def combinations_with(config: SweepConfig, name: str, value: Any) -> Iterator[Values]:
    """Yield configurations in which a parameter has a value and its `when` holds."""
    spaces = dict(config.parameters)
    space = spaces.pop(name)
    conditions: Values = {}
    to_visit = [space]
    while to_visit:
        for key, condition in (to_visit.pop().when or {}).items():
            conditions[key] = condition[0] if isinstance(condition, list) else condition
            to_visit.append(spaces[key])
    ordered = [key for key in config.parameters if key in conditions]
    yield {key: conditions[key] for key in ordered} | {name: value}
    free = {key: inner for key, inner in spaces.items() if key not in conditions}
    for drawn in itertools.product(*(boundary_values(inner) for inner in free.values())):
        values: Values = {}
        candidates = conditions | {name: value} | dict(zip(free, drawn, strict=True))
        for key, inner in config.parameters.items():
            if is_active(inner, values):
                values[key] = candidates[key]
        yield values


def format_values(values: Values) -> str:
    """Format values as `train.learning_rate=0.0001 train.batch_size=32`."""
    return " ".join(f"{name}={format_value(value)}" for name, value in values.items())


def format_value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value).strip('"')
