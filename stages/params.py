"""params.yaml → frozen, typed groups, or one error that lists every mistake with its line.

`python -m stages.params params.schema.json` writes the JSON Schema.
"""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from stages import outputs, yaml_file
from stages.errors import InputError, nearest
from stages.groups import Params
from stages.task_params import TaskParams

PARAMS_FILE = Path("params.yaml")

AUGMENTED = ("sequence_classification", "seq2seq_lm")  # no label belongs to a word of the text
LABELS = ("sequence_classification", "token_classification", "image_classification")
TASK_KEYS: dict[str, Callable[[Params], bool]] = {  # keys that not every task has
    "tokenize.max_length": lambda p: p.task.name != "image_classification",
    "tokenize.padding": lambda p: p.task.name != "image_classification",
    "tokenize.pad_to_multiple_of": lambda p: p.task.name != "image_classification",
    "tokenize.long": lambda p: p.task.name in LABELS[:2],
    "tokenize.stride": lambda p: p.task.name == "question_answering" or p.tokenize.long == "window",
    "tokenize.pool": lambda p: p.task.name == LABELS[0] and p.tokenize.long == "window",
    "tokenize.max_target_length": lambda p: p.task.name == "seq2seq_lm",
    "train.class_weights": lambda p: p.task.name in LABELS,
    "train.focal_gamma": lambda p: p.task.name in LABELS,
    "train.augmentation": lambda p: p.task.name == "image_classification",
    "evaluate.threshold": lambda p: p.task.name == LABELS[0],
    "evaluate.answers": lambda p: p.task.name == "question_answering",
    "evaluate.generation": lambda p: p.task.name in ("seq2seq_lm", "causal_lm"),
    "export.int8": lambda p: not p.task.name.endswith("_lm"),
    "export.max_accuracy_drop": lambda p: not p.task.name.endswith("_lm"),
}


MAY_BE_NULL = ("train.class_weights", "train.augmentation")  # null turns them off
TECHNIQUES: dict[str, Callable[[Params], bool]] = {  # off where missing, null or {} (ADR 10)
    "tokenize.augment": lambda p: p.task.name in AUGMENTED,
    "tokenize.files": lambda p: p.task.name in AUGMENTED,
    "tokenize.translators": lambda p: p.task.name in AUGMENTED,
    "train.huber_delta": lambda p: p.task.metrics == "regression",
    "train.resampling": lambda p: p.task.metrics == "classification",
    "train.r_drop_alpha": lambda p: not p.task.name.endswith("_lm"),
    "model.head": lambda p: p.task.name in ("sequence_classification", "token_classification"),
    "model.own": lambda p: p.task.name in LABELS,
    "model.new_tokens": lambda p: p.task.name != "image_classification",
}
HINTS = {  # after "has no effect here with <task>"
    "train.huber_delta": " (only with problem_type: regression)",
    "train.resampling": " (only where a row has one label)",
    "tokenize.augment": f" (only with {' and '.join(AUGMENTED)}; images: train.augmentation)",
}
TASKS = {  # name → schema
    schema.model_fields["name"].annotation.__args__[0]: schema  # type: ignore[union-attr]
    for schema in get_args(get_args(TaskParams)[0])
}
TASK_NAMES = [[name] for name in TASKS]


def misplaced(parameters: Params) -> dict[tuple[str, str], str]:
    """Return a message for each (group, key) the task needs and lacks, or has and never reads."""
    found = {}
    for name, is_read in TASK_KEYS.items():
        group, key = name.split(".")
        values = getattr(parameters, group)
        given, is_null = key in values.model_fields_set, getattr(values, key) is None
        if is_read(parameters) and is_null and not (given and name in MAY_BE_NULL):
            what = "null" if given else "missing"
            found[group, key] = f"{what}; {parameters.task.name} needs it here"
        elif given and not is_read(parameters):
            found[group, key] = f"has no effect here with {parameters.task.name}; remove it"
    for name, is_read in TECHNIQUES.items():
        group, key = name.split(".")
        if getattr(getattr(parameters, group), key) and not is_read(parameters):
            where = HINTS.get(name, "")
            found[group, key] = f"has no effect here with {parameters.task.name}{where}; remove it"
    return found


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
    parsed = None
    try:
        parsed = Params.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        for item in error.errors():
            place, message = _describe(tree, item)
            mistakes[place] = f"{mistakes[place]}, or: {message}" if place in mistakes else message
    for location, message in misplaced(parsed).items() if parsed else ():
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


if __name__ == "__main__":
    outputs.write_json(Path(sys.argv[1]), Params.model_json_schema())
