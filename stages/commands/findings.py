"""What `temper check` finds: mistakes with the file and line they stand in, and facts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from stages import params
from stages.errors import InputError


@dataclass
class Findings:
    """Collects the mistakes of every check; none stops the next one."""

    tree: yaml.Node = field(default_factory=lambda: compose(params.PARAMS_FILE))
    mistakes: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)

    def add(self, key: str, text: str) -> None:
        """Note a mistake about a key of params.yaml such as `train.launch`."""
        self.note(key, f"{key}: {text}")

    def note(self, key: str, text: str) -> None:
        """Note, once, a mistake whose text says what it is about, at the line of `key`."""
        mistake = f"{params.PARAMS_FILE}:{line_of(self.tree, key)}: {text}"
        if mistake not in self.mistakes:
            self.mistakes.append(mistake)

    @contextmanager
    def at(self, key: str, what: str = "") -> Iterator[None]:
        """Note what the block raises about a file or parameter as a mistake about `key`."""
        try:
            yield
        except (OSError, ValueError) as error:  # InputError, and what libraries make of bad files
            self.note(key, f"{what}{error}")


def compose(path: Path) -> yaml.Node:
    """Return the nodes of a YAML file, which know their lines.

    Raises:
        InputError: the file is missing, empty or not YAML.
    """
    try:
        tree = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run this in the repository root") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {error}") from None
    if not isinstance(tree, yaml.MappingNode):
        raise InputError(f"{path}: expected keys and values, found none")
    return tree


def line_of(tree: yaml.Node, key: str) -> int:
    """Return the 1-based line of a dotted key, or of the nearest group that holds it."""
    line = 1
    for part in key.split("."):
        pairs = tree.value if isinstance(tree, yaml.MappingNode) else []
        found = [(name, inner) for name, inner in pairs if name.value == part]
        if not found:
            break
        line, tree = found[0][0].start_mark.line + 1, found[0][1]
    return line


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


def repeated(tree: yaml.Node) -> Iterator[tuple[int, str]]:
    """Yield the keys that stand twice in one mapping, with their 1-based lines."""
    if isinstance(tree, yaml.MappingNode):
        seen = set()
        for name, value in tree.value:
            if name.value in seen:
                yield name.start_mark.line + 1, name.value
            seen.add(name.value)
            yield from repeated(value)
