"""A YAML file, or its values, → a pydantic model, or every mistake with its line and key."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from temper.core import yaml_file
from temper.core.errors import InputError, nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]  # of a value in a file, such as ("data", "files", "train")
Rules = Callable[[Model], Iterable[tuple[Location, str]]]


def load(
    path: Path,
    model: type[Model],
    rules: Rules[Model],
    *,
    page: str | None = None,
    update: Callable[[Any], tuple[Any, Mapping[str, str]]] = lambda values: (values, {}),
) -> Model:
    """Read and check a YAML file.

    Args:
        rules: yields what is wrong with values that are valid one by one.
        page: of docs/ that describes the file.
        update: from the values of an earlier version to the current ones, and the dotted keys that
            have another name now.

    Raises:
        InputError: the file is missing, is not YAML, or does not fit the model or the rules; every
            mistake is listed with its line, its value and the nearest valid name.
    """
    tree = yaml_file.compose(path)
    values, renamed = update(yaml_file.values(tree, str(path)))
    mistakes = list(yaml_file.mistakes(tree))
    for old, current in renamed.items():
        mistakes.append((yaml_file.line_of(tree, old.split(".")), old, f"renamed to {current}"))
    parsed, found = check(values, model, rules)
    for location, message in found:
        line = yaml_file.line_of(tree, location)
        mistakes.append((line, ".".join(map(str, location)), message))
    if parsed is None or mistakes:
        raise InputError(_list_mistakes(path, mistakes, page))
    return parsed


def _list_mistakes(path: Path, mistakes: list[tuple[int, str, str]], page: str | None) -> str:
    """Return the message for mistakes, each with its line and key."""
    lines = [
        f"  {path}:{line}: {' '.join(key.splitlines()) + ': ' if key else ''}{message}"
        for line, key, message in sorted(set(mistakes))
    ]
    heading = f"{len(lines)} mistake{'s' * (len(lines) > 1)} in {path}"
    return "\n".join([f"{heading} (see {page})" if page else heading, *lines])


def check(
    values: Mapping[str, Any], model: type[Model], rules: Rules[Model]
) -> tuple[Model | None, list[tuple[Location, str]]]:
    """Validate the values of a file; return the model if they fit it, and what is wrong."""
    try:
        parsed = model.model_validate_json(json.dumps(values))
    except ValidationError as error:
        found: dict[Location, str] = {}
        for details in error.errors():
            location, message = describe(model, details)
            found[location] = f"{found[location]}, or: {message}" if location in found else message
        return None, list(found.items())
    return parsed, list(rules(parsed))


def describe(model: type[BaseModel], details: "ErrorDetails") -> tuple[Location, str]:
    """Return where in the file one of pydantic's errors is, and a message with the remedy."""
    location, annotation = _follow(model, details["loc"])
    message = details["msg"].removeprefix("Value error, ")
    match details["type"]:
        case "union_tag_invalid" | "union_tag_not_found":
            context = details.get("ctx", {})
            key, name = context["discriminator"].strip("'"), context.get("tag")
            names = [get_args(arm.model_fields[key].annotation)[0] for arm in _arms(annotation)]
            message = f"no {location[-1]} {name!r}{nearest(name, names)}" if name else "missing"
            message, location = f"{message}; there are {', '.join(names)}", (*location, key)
        case "extra_forbidden":
            _, group = _follow(model, details["loc"][:-1])
            schema = _arms(group)[0]
            allowed = list(schema.model_fields)
            message = f"unknown key{nearest(str(location[-1]), allowed)}"
            message = getattr(schema, "HINTS", {}).get(str(location[-1]), message)
            message += f"; allowed: {', '.join(allowed)}"
        case "missing":
            message = "missing; it has no default"
        case "string_type" if not isinstance(details["input"], list | dict):
            value = json.dumps(details["input"])
            message = f"expected text; found {value}: if it is a name, put it in quotes: "
            message += f'"{value}"'
        case "string_type" if isinstance(details["input"], dict):
            message = "expected text, found keys; a text that begins with { needs quotes"
        case kind if kind != "value_error":
            message = f"{message}; found {details['input']!r}"
    return location, message


def _follow(annotation: Any, parts: Sequence[str | int]) -> tuple[Location, Any]:
    """Return a location without pydantic's names for the arms of a union, and the type there."""
    location: list[str | int] = []
    for part in parts:
        arms = _arms(annotation)
        if len(arms) > 1:
            annotation = next((arm for arm in arms if _is_called(arm, part)), None)
        elif part != "[key]":
            location.append(part)
            annotation = _inner(arms[0], part)
    return tuple(location), annotation


def _is_called(arm: Any, name: str | int) -> bool:
    """Check whether a model of a union is chosen by a name, the only value of one of its fields."""
    fields = arm.model_fields.values() if hasattr(arm, "model_fields") else ()
    return any(get_args(field.annotation) == (name,) for field in fields)


def _inner(annotation: Any, part: str | int) -> Any:
    """Return the type of a model's field, or of the values of a mapping or list."""
    if hasattr(annotation, "model_fields"):
        field = annotation.model_fields.get(part)
        return None if field is None else field.annotation
    arguments = get_args(annotation) or (None, None)
    return arguments[1] if get_origin(annotation) is dict else arguments[0]


def _arms(annotation: Any) -> list[Any]:
    """Return the types that a union allows besides None; of another type, itself."""
    if get_origin(annotation) is Annotated:
        return _arms(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [arm for arm in get_args(annotation) if arm is not NoneType]
    return [annotation]
