"""A YAML file → its values by YAML 1.2 rules, and its nodes, which know their lines.

DVC reads by YAML 1.2, so `1e-5` is a number and `no` a string (plain PyYAML: the opposite).
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
    """Return the nodes of a YAML file.

    Raises:
        InputError: the file is missing, is not YAML, or holds something else than keys and values.
    """
    try:
        with path.open(encoding="utf-8") as file:  # whose name is in the error
            tree = yaml.compose(file, Loader=Loader)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run this in the repository root") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML: {error}") from None
    if not isinstance(tree, yaml.MappingNode):
        kind = {yaml.SequenceNode: "a list", yaml.ScalarNode: "one value"}.get(type(tree), "none")
        raise InputError(f"{path}: expected keys and values, found {kind}")
    return tree


def line_of(node: yaml.Node, location: Sequence[str | int]) -> int:
    """Return the 1-based line of the deepest key or item of `location` that exists."""
    line = node.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == str(part)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            found = [(v, v) for v in node.value[part : part + 1]]
        else:
            found = []
        if not found:
            return line
        line, node = found[0][0].start_mark.line + 1, found[0][1]
    return line


def repeated(tree: yaml.Node) -> Iterator[tuple[int, str]]:
    """Yield the keys that stand twice in one mapping, with their 1-based lines."""
    if isinstance(tree, yaml.MappingNode):
        seen = set()
        for name, value in tree.value:
            if name.value in seen:
                yield name.start_mark.line + 1, name.value
            seen.add(name.value)
            yield from repeated(value)


def scalars(tree: yaml.Node, under: str = "") -> Iterator[tuple[int, str, str]]:
    """Yield the 1-based line of every value, the nearest key above it, and the value."""
    if isinstance(tree, yaml.ScalarNode):
        yield tree.start_mark.line + 1, under, tree.value
    elif isinstance(tree, yaml.SequenceNode):
        for item in tree.value:
            yield from scalars(item, under)
    elif isinstance(tree, yaml.MappingNode):
        for name, value in tree.value:
            yield from scalars(value, name.value)
