"""params.yaml → frozen, typed groups, or one error that lists every mistake with its line."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

import yaml
from pydantic import ValidationError

from temper.core import yaml_file
from temper.core.errors import InputError, nearest
from temper.params import rules
from temper.params.group import Group, groups_of
from temper.params.renamed import RENAMED, with_current_names
from temper.params.schema import Params
from temper.params.task import TASKS

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PARAMS_FILE = Path("params.yaml")


def load(path: Path = PARAMS_FILE) -> Params:
    """Read and check a parameter file.

    Raises:
        InputError: the file is missing, is not YAML, or does not fit the schema; every mistake is
            listed with its line, its value and the nearest valid name.
    """
    tree = yaml_file.compose(path)
    values = yaml_file.values(tree, str(path))
    mistakes = {(line, key): f"duplicate key {key!r}" for line, key in yaml_file.repeated(tree)}
    for line, key, date in yaml_file.dates(tree):
        mistakes[line, key] = f"{date} is a date, which DVC refuses; put it in quotes"
    values, old_names = with_current_names(values)
    for old in old_names:
        line = yaml_file.line_of(tree, old.split("."))
        mistakes[line, old] = f"renamed to {RENAMED[old]}"
    parsed = None
    try:
        parsed = Params.model_validate_json(json.dumps(values))
    except ValidationError as error:
        for details in error.errors():
            at, message = _describe(tree, details)
            mistakes[at] = f"{mistakes[at]}, or: {message}" if at in mistakes else message
    for location, message in rules.conflicts(parsed).items() if parsed else ():
        mistakes[yaml_file.line_of(tree, location), ".".join(location)] = message
    if parsed is not None and not mistakes:
        return parsed
    heading = f"{len(mistakes)} mistake{'s' * (len(mistakes) > 1)} in {path}"
    lines = [
        f"  {path}:{line}: {' '.join(key.splitlines()) + ': ' if key else ''}{message}"
        for (line, key), message in sorted(mistakes.items())
    ]
    raise InputError("\n".join([heading, *lines]))


def flatten(params: Params, *, without: str | None = None) -> dict[str, Any]:
    """Return `{"train.learning_rate": 5e-5, …}`: one entry per leaf, lists and {} kept whole.

    A technique that is off has no entry, whether it is absent or written as off.

    Args:
        params: all groups.
        without: a group to leave out.
    """

    def walk(prefix: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or not value:
            return {prefix: value}
        leaves: dict[str, Any] = {}
        for key, inner in value.items():
            leaves |= walk(f"{prefix}.{key}" if prefix else key, inner)
        return leaves

    exclude = {without} if without else None
    return walk("", params.model_dump(exclude=exclude, exclude_defaults=True))


def _describe(tree: yaml.Node, details: "ErrorDetails") -> tuple[tuple[int, str], str]:
    """Return the line and key of one pydantic error, and its message."""
    location = _location(tree, details["loc"])
    task = None
    if location[:1] == ["task"] and len(location) > 1 and location[1] in TASKS:
        task = str(location.pop(1))  # pydantic names the arm of the union there
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "union_tag_invalid":
        location, name = ["task", "name"], details.get("ctx", {})["tag"]
        message = f"no task {name!r}{nearest(name, list(TASKS))}; there are {', '.join(TASKS)}"
    elif details["type"] == "union_tag_not_found":
        location, message = ["task", "name"], f"missing; there are {', '.join(TASKS)}"
    elif details["type"] == "extra_forbidden":
        allowed = _allowed(location[:-1], task)
        message = f"unknown key{nearest(str(location[-1]), allowed)}; allowed: {', '.join(allowed)}"
    elif details["type"] == "missing":
        message = "missing; it has no default (docs/parameters.md)"
    elif details["type"] == "string_type" and not isinstance(details["input"], list | dict):
        value = json.dumps(details["input"])
        message = f'expected text; found {value}: if it is a name, put it in quotes: "{value}"'
    elif details["type"] != "value_error":
        message = f"{message}; found {details['input']!r}"
    key = re.match(r"\w+(\.\w+)+", message) if not location else None  # of a rule on several groups
    line = yaml_file.line_of(tree, key[0].split(".") if key else location)
    return (line, ".".join(map(str, location))), message


def _location(node: yaml.Node, parts: Sequence[str | int]) -> list[str | int]:
    """Leave pydantic's names for the arms of a union out of a location; keep keys of the file."""
    location: list[str | int] = []
    for part in parts:
        inner = yaml_file.child(node, part)
        if inner is not None:
            node = inner
        elif isinstance(part, str) and re.search(r"[\[\]()-]|^(int|float|str)$", part):
            continue
        location.append(part)
    return location


def _allowed(location: list[int | str], task: str | None) -> list[str]:
    """Return the keys that a group may have."""
    if location[:1] == ["task"]:
        return list(TASKS[task or ""].model_fields)
    model: type[Group] = Params
    parts = iter(location)
    for part in parts:
        annotation = model.model_fields[str(part)].annotation
        (model,) = groups_of(annotation)
        if get_origin(annotation) is dict:
            next(parts)  # a name that params.yaml gives
    return list(model.model_fields)
