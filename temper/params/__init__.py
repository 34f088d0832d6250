"""params.yaml → frozen, typed groups, or one error that lists every mistake with its line."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from temper.core import yaml_file
from temper.core.errors import InputError, nearest
from temper.params import rules
from temper.params.renamed import RENAMED, with_current_names
from temper.params.schema import Params
from temper.params.task import TaskParams

PARAMS_FILE = Path("params.yaml")

TASKS = {  # name → schema
    schema.model_fields["name"].annotation.__args__[0]: schema  # type: ignore[union-attr]
    for schema in get_args(get_args(TaskParams)[0])
}
TASK_NAMES = [[name] for name in TASKS]


def load(path: Path = PARAMS_FILE) -> Params:
    """Read and check a parameter file.

    Raises:
        InputError: the file is missing, is not YAML, or does not fit the schema; every mistake is
            listed with its line, what was found and the nearest valid name.
    """
    tree = yaml_file.compose(path)
    raw = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml_file.Loader)
    mistakes = {
        (line, key): f"the key {key!r} stands twice" for line, key in yaml_file.repeated(tree)
    }
    raw, old_names = with_current_names(raw)
    for old in old_names:
        line = yaml_file.line_of(tree, old.split("."))
        mistakes[line, old] = f"renamed to {RENAMED[old]}; write that"
    parsed = None
    try:
        parsed = Params.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        for item in error.errors():
            place, message = _describe(tree, item)
            mistakes[place] = f"{mistakes[place]}, or: {message}" if place in mistakes else message
    for location, message in rules.conflicts(parsed).items() if parsed else ():
        mistakes[yaml_file.line_of(tree, location), ".".join(location)] = message
    if parsed is not None and not mistakes:
        return parsed
    heading = f"{len(mistakes)} mistake{'s' * (len(mistakes) > 1)} in {path}"
    lines = [
        f"  {path}:{line}: {key + ': ' if key else ''}{message}"
        for (line, key), message in sorted(mistakes.items())
    ]
    raise InputError("\n".join([heading, *lines]))


def flatten(params: Params, *, without: str | None = None) -> dict[str, Any]:
    """Return `{"train.learning_rate": 5e-5, …}`: one entry per leaf, lists and {} kept whole.

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

    return walk("", params.model_dump(exclude={without} if without else None, exclude_unset=True))


def _describe(tree: yaml.Node, item: Any) -> tuple[tuple[int, str], str]:
    """Return the line and key of one pydantic error, and its message."""
    location = [part for part in item["loc"] if not _is_union_arm(part)]
    task = location.pop(1) if location[:1] == ["task"] and location[1:2] in TASK_NAMES else None
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "union_tag_invalid":
        location, found = ["task", "name"], item["ctx"]["tag"]
        message = f"no task {found!r}{nearest(found, list(TASKS))}; there are {', '.join(TASKS)}"
    elif item["type"] == "union_tag_not_found":
        location, message = ["task", "name"], f"missing; there are {', '.join(TASKS)}"
    elif item["type"] == "extra_forbidden":
        allowed = _allowed(location[:-1], task)
        message = f"unknown key{nearest(str(location[-1]), allowed)}; allowed: {', '.join(allowed)}"
    elif item["type"] == "missing":
        message = "missing; every parameter is written down, none has a hidden default"
    elif item["type"] != "value_error":
        message = f"{message}; found {item['input']!r}"
    return (yaml_file.line_of(tree, location), ".".join(map(str, location))), message


def _is_union_arm(part: str | int) -> bool:
    """Tell pydantic's names for the arms of a union from keys of the file."""
    return isinstance(part, str) and bool(re.search(r"[\[\]()-]|^(int|float|str)$", part))


def _allowed(location: list, task: str | None) -> list[str]:
    if location[:1] == ["task"]:
        return list(TASKS[task or ""].model_fields)
    model: Any = Params
    for part in location:
        annotation = model.model_fields[part].annotation
        model = next((a for a in get_args(annotation) if hasattr(a, "model_fields")), annotation)
    return list(model.model_fields)
