"""A YAML file → its values by YAML 1.2 rules, and its nodes with their line numbers.

DVC reads YAML 1.2, where `1e-5` is a number and `no` a string (plain PyYAML: the opposite).
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from temper.core import settled
from temper.core.errors import InputError

TAGS = ("str", "int", "float", "bool", "null", "map", "seq")
DATE = re.compile(r"\d{4}-\d\d-\d\d$|\d{4}-\d\d?-\d\d?([Tt]|\s+)\d\d?:\d\d:\d\d")
MAX_VALUES = 100_000  # written out; nine levels of aliases can stand for a billion


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


def _construct_int(loader: Loader, node: yaml.ScalarNode) -> int:
    """Read `010` as ten, as DVC does; plain PyYAML reads eight."""
    try:
        return int(node.value, 0 if node.value.startswith(("0o", "0x")) else 10)
    except ValueError as error:
        problem = f"{node.value[:20]!r} is not a whole number: {error}"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def compose(path: Path) -> yaml.MappingNode:
    """Parse a YAML file into nodes.

    Raises:
        InputError: there is no such file, it cannot be read, or see `parse`.
    """
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        raise InputError(f"{path}: expected a YAML file, found {kind}")
    try:
        text = settled.read_text(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run this in the repository root") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}: not UTF-8: {error}; save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> yaml.MappingNode:
    """Parse YAML into nodes.

    Raises:
        InputError: it is not YAML, is not a mapping, or holds what params.yaml and DVC's files have
            no use for: tags, merge keys, keys that are no text, aliases of enormous size.
    """
    try:
        tree = yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        problem = ", ".join(filter(None, (error.context, error.problem)))
        line = text.splitlines()[mark.line : mark.line + 1] if mark else []
        hint = "; a text that begins with { needs quotes" if "{" in "".join(line) else ""
        raise InputError(f"{where}: not YAML: {problem}{hint}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{name}: not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise InputError(f"{name}: not YAML that can be read: nested too deeply") from None
    if not isinstance(tree, yaml.MappingNode):
        node_type = {yaml.SequenceNode: "a list", yaml.ScalarNode: "one value"}.get(type(tree))
        raise InputError(f"{name}: expected keys and values, found {node_type or 'none'}")
    _check(tree, name, {})
    return tree


def _check(node: yaml.Node, name: str, sizes: dict[int, int]) -> int:
    """Return how many values a node has once its aliases are written out.

    Args:
        sizes: of the nodes that were counted before, by id; 0 for those that hold this one.
    """
    where = f"{name}:{node.start_mark.line + 1}"
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise InputError(f"{where}: an alias stands inside what it names")
        return sizes[id(node)]
    sizes[id(node)] = 0
    if node.tag.removeprefix("tag:yaml.org,2002:") not in TAGS:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        raise InputError(f"{where}: tags such as {tag} are not allowed: write the plain value")
    children = node.value if isinstance(node, yaml.SequenceNode) else []
    if isinstance(node, yaml.ScalarNode) and re.search(r"[\0\ud800-\udfff]", node.value):
        raise InputError(f"{where}: {node.value!r} holds a NUL or half a character")
    if isinstance(node, yaml.MappingNode):
        children = [child for pair in node.value for child in pair]
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise InputError(f"{where}: a key must be text, found a list or keys")
            if key.value == "<<" and key.style is None:
                line = f"{name}:{key.start_mark.line + 1}"
                raise InputError(f"{line}: merge keys (<<) are not supported: write the keys out")
    size = 1 + sum(_check(child, name, sizes) for child in children)
    if size > MAX_VALUES and size > 2 * len(sizes):
        raise InputError(f"{where}: aliases stand for more than {MAX_VALUES:,} values here")
    sizes[id(node)] = size
    return size


def values(tree: yaml.MappingNode, name: str) -> dict[str, Any]:
    """Return the values of nodes that `parse` made, every key as text, as in JSON.

    Raises:
        InputError: a value does not fit its tag, or a number has too many digits.
    """
    try:
        return json.loads(json.dumps(Loader("").construct_document(tree)))
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{name}{line}: {error.problem}") from None
    except ValueError as error:
        raise InputError(f"{name}: {error}") from None


def load(path: Path) -> dict[str, Any]:
    """Return the values of a YAML file.

    Raises:
        InputError: see `compose` and `values`.
    """
    return values(compose(path), str(path))


def line_of(node: yaml.Node, location: Sequence[str | int]) -> int:
    """Find the 1-based line of the deepest key or item of `location` that exists."""
    line = node.start_mark.line + 1
    for part in location:
        inner: dict[str | int, tuple[yaml.Node, yaml.Node]] = {}
        if isinstance(node, yaml.MappingNode):
            inner = {key.value: (key, value) for key, value in reversed(node.value)}
        elif isinstance(node, yaml.SequenceNode):
            inner = dict(enumerate(zip(node.value, node.value, strict=True)))
        if part not in inner:
            break
        key, node = inner[part]
        line = key.start_mark.line + 1
    return line


def mistakes(tree: yaml.Node) -> Iterator[tuple[int, str, str]]:
    """Yield 1-based line, key and message of duplicate keys, and of dates, which DVC refuses."""
    for node, under in nodes(tree):
        if isinstance(node, yaml.MappingNode):
            names = [key.value for key, _ in node.value]
            for i, (key, _) in enumerate(node.value):
                if key.value in names[:i]:
                    yield key.start_mark.line + 1, key.value, f"duplicate key {key.value!r}"
        elif isinstance(node, yaml.ScalarNode) and node.style is None and DATE.match(node.value):
            message = f"{node.value} is a date, which DVC refuses; put it in quotes"
            yield node.start_mark.line + 1, under, message


def nodes(tree: yaml.Node, under: str = "") -> Iterator[tuple[yaml.Node, str]]:
    """Yield every node that is a value, with its nearest enclosing key."""
    yield tree, under
    if isinstance(tree, yaml.SequenceNode):
        for item in tree.value:
            yield from nodes(item, under)
    elif isinstance(tree, yaml.MappingNode):
        for name, value in tree.value:
            yield from nodes(value, name.value)
