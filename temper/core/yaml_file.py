"""A YAML file → its values by YAML 1.2 rules, and its nodes with their line numbers.

DVC reads YAML 1.2, where `1e-5` is a number and `no` a string (plain PyYAML: the opposite).
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from temper.core.errors import InputError


class Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's core schema for numbers, booleans and null."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012 (PyYAML's own name and type)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first)
    )


def compose(path: Path) -> yaml.MappingNode:
    """Parse a YAML file into nodes.

    Raises:
        InputError: the file is missing, is not YAML, or is not a mapping.
    """
    try:
        with path.open(encoding="utf-8") as file:  # a file object: PyYAML puts its name in errors
            tree = yaml.compose(file, Loader=Loader)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run this in the repository root") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML: {error}") from None
    if not isinstance(tree, yaml.MappingNode):
        node_type = {yaml.SequenceNode: "a list", yaml.ScalarNode: "one value"}.get(type(tree))
        raise InputError(f"{path}: expected keys and values, found {node_type or 'none'}")
    return tree


def line_of(node: yaml.Node, location: Sequence[str | int]) -> int:
    """Find the 1-based line of the deepest key or item of `location` that exists."""
    line = node.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            matches = [(k, v) for k, v in node.value if k.value == str(part)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            matches = [(v, v) for v in node.value[part : part + 1]]
        else:
            matches = []
        if not matches:
            return line
        line, node = matches[0][0].start_mark.line + 1, matches[0][1]
    return line


def repeated(tree: yaml.Node) -> Iterator[tuple[int, str]]:
    """Yield each duplicate key of a mapping with its 1-based line."""
    if isinstance(tree, yaml.MappingNode):
        seen = set()
        for name, value in tree.value:
            if name.value in seen:
                yield name.start_mark.line + 1, name.value
            seen.add(name.value)
            yield from repeated(value)


def scalars(tree: yaml.Node, under: str = "") -> Iterator[tuple[int, str, str]]:
    """Yield every scalar's 1-based line, its nearest enclosing key, and its value."""
    if isinstance(tree, yaml.ScalarNode):
        yield tree.start_mark.line + 1, under, tree.value
    elif isinstance(tree, yaml.SequenceNode):
        for item in tree.value:
            yield from scalars(item, under)
    elif isinstance(tree, yaml.MappingNode):
        for name, value in tree.value:
            yield from scalars(value, name.value)
