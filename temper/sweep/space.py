"""A plan's parameters → values of one trial, and whether params.yaml can hold them."""

import copy
import itertools
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from temper import params
from temper.core import yaml_file
from temper.core.errors import InputError
from temper.params import rules
from temper.sweep.sweep_config import Space, SweepConfig

TRIED = 64  # combinations with other parameters' values before a value is refused
DIGITS = 12  # significant, of the values of a grid's range
Values = dict[str, Any]  # dotted key → value


def is_active(space: Space, chosen: Values) -> bool:
    """Tell whether a parameter's condition holds for the values chosen before it."""
    for key, wanted in (space.when or {}).items():
        allowed = wanted if isinstance(wanted, list) else [wanted]
        if key not in chosen or chosen[key] not in allowed:
            return False
    return True


def configurations(spaces: Mapping[str, Space]) -> list[Values]:
    """Return every configuration of a grid; a parameter whose condition fails is absent."""
    found: list[Values] = [{}]
    for name, space in spaces.items():
        found = [
            chosen | more
            for chosen in found
            for more in (
                [{name: value} for value in listed(space)] if is_active(space, chosen) else [{}]
            )
        ]
    return found


def listed(space: Space) -> list[Any]:
    """Return the values of a choice, or of a range with a step, both ends counted."""
    if space.choice is not None:
        return list(space.choice)
    assert space.low is not None
    assert space.high is not None
    assert space.step is not None
    number = int((space.high - space.low) / space.step * (1 + 1e-9)) + 1
    values = [space.low + i * space.step for i in range(number)]
    return [v if isinstance(v, int) else float(f"{v:.{DIGITS}g}") for v in values]


def suggest(trial: Any, config: SweepConfig, whole: Mapping[str, bool], sampler_of: Any) -> Values:
    """Return the values an Optuna trial gets, in the order of the file.

    Args:
        trial: one that may have some of them already.
        plan: what can be chosen.
        whole: for each parameter whether its values are whole numbers.
        sampler_of: a function of a parameter's name that makes the sampler to draw with.
    """
    chosen: Values = {}
    for name, space in config.parameters.items():
        if not is_active(space, chosen):
            continue
        trial.study.sampler = sampler_of(name)
        if space.choice is not None or config.method == "grid":
            known = {encoded(value): value for value in listed(space)}
            chosen[name] = known[trial.suggest_categorical(name, list(known))]
        else:
            draw = trial.suggest_int if whole[name] else trial.suggest_float
            step = (space.step or 1) if whole[name] else space.step
            chosen[name] = draw(name, space.low, space.high, step=step, log=space.log)
    return chosen


def encoded(value: Any) -> Any:
    """Return a choice as Optuna can keep it: mappings and lists as JSON text."""
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value


def with_values(tree: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """Return the parameters of a file with dotted keys set."""
    changed = copy.deepcopy(dict(tree))
    set_values(changed, values)
    return changed


def set_values(tree: dict[str, Any], values: Values) -> None:
    """Set dotted keys in place; a group that is missing or null is made."""
    for name, value in values.items():
        *groups, last = name.split(".")
        inner = tree
        for group in groups:
            if not isinstance(inner.get(group), dict):
                inner[group] = {}
            inner = inner[group]
        inner[last] = copy.deepcopy(value)


def problem(tree: Mapping[str, Any]) -> str | None:
    """Return why a tree is no params.yaml, in the words of `temper.params`; None if it is one."""
    if fits(tree):
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


def fits(tree: Mapping[str, Any]) -> bool:
    """Tell whether a tree is a params.yaml."""
    try:
        parsed = params.Params.model_validate_json(json.dumps(tree))
    except ValidationError:
        return False
    return not rules.conflicts(parsed)


def check(config: SweepConfig, tree: Mapping[str, Any], path: Path) -> dict[str, bool]:
    """Hold every choice and both ends of every range against params.yaml's schema.

    Returns:
        for each parameter whether its values are whole numbers.

    Raises:
        InputError: lists every value that no configuration can have, with its line in the file.
    """
    nodes, lines, whole = yaml_file.compose(path), [], {}
    for name, space in config.parameters.items():
        line = yaml_file.line_of(nodes, ("parameters", name))
        bad: dict[str, list[str]] = {}
        for value in probes(space):
            if message := refused(config, tree, name, value):
                bad.setdefault(message, []).append(repr(value))
        for message, values in bad.items():
            lines.append(f"  {path}:{line}: parameters.{name}: {', '.join(values)}: {message}")
        whole[name] = is_whole(config, tree, name, space)
    if lines:
        heading = f"{len(lines)} mistake{'s' * (len(lines) > 1)}: what params.yaml cannot hold"
        raise InputError("\n".join([heading, *lines]))
    if config.method == "grid":
        check_grid(config, tree, path)
    return whole


def check_grid(config: SweepConfig, tree: Mapping[str, Any], path: Path) -> None:
    """Hold every configuration of a grid against the schema.

    Raises:
        InputError: one cannot be; names it.
    """
    found = configurations(config.parameters)
    bad = [(c, message) for c in found if (message := problem(with_values(tree, c)))]
    if bad:
        raise InputError(
            f"{path}: {len(bad)} of the grid's {len(found)} configurations cannot be; the first is "
            f"{as_text(bad[0][0])}: {bad[0][1]}; a parameter's `when` leaves such ones out"
        )


def is_whole(config: SweepConfig, tree: Mapping[str, Any], name: str, space: Space) -> bool:
    """Tell whether a range is one of whole numbers: its ends are, and the schema wants them."""
    given = (space.low, space.high, space.step or 1)
    if space.choice is not None or not all(isinstance(value, int) for value in given):
        return False
    middle = space.low + 0.5  # type: ignore[operator]
    return space.step is not None or refused(config, tree, name, middle) is not None


def probes(space: Space) -> list[Any]:
    """Return the values to try: every choice, or both ends of a range."""
    return list(space.choice) if space.choice is not None else [space.low, space.high]


def refused(config: SweepConfig, tree: Mapping[str, Any], name: str, value: Any) -> str | None:
    """Return why a value cannot be, tried alone and beside values of the other parameters."""
    tried = [with_values(tree, c) for c in itertools.islice(beside(config, name, value), TRIED)]
    return None if any(map(fits, tried)) else problem(tried[0])


def beside(config: SweepConfig, name: str, value: Any) -> Iterator[Values]:
    """Yield configurations in which a parameter has a value and its conditions hold."""
    spaces = dict(config.parameters)
    space = spaces.pop(name)
    alone: Values = {}
    waiting = [space]
    while waiting:
        for key, wanted in (waiting.pop().when or {}).items():
            alone[key] = wanted[0] if isinstance(wanted, list) else wanted
            waiting.append(spaces[key])
    ordered = [key for key in config.parameters if key in alone]
    yield {key: alone[key] for key in ordered} | {name: value}
    rest = {key: other for key, other in spaces.items() if key not in alone}
    for drawn in itertools.product(*(probes(other) for other in rest.values())):
        chosen: Values = {}
        wanted = alone | {name: value} | dict(zip(rest, drawn, strict=True))
        for key, other in config.parameters.items():
            if is_active(other, chosen):
                chosen[key] = wanted[key]
        yield chosen


def as_text(values: Values) -> str:
    """Return `train.learning_rate=0.0001 train.batch_size=32`."""
    return " ".join(f"{name}={short(value)}" for name, value in values.items())


def short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value).strip('"')
