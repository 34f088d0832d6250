"""What `temper check` finds: mistakes with the file and line they stand in, and facts."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import yaml

from temper import params
from temper.core.yaml_file import compose, line_of


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
        mistake = f"{params.PARAMS_FILE}:{line_of(self.tree, key.split('.'))}: {text}"
        if mistake not in self.mistakes:
            self.mistakes.append(mistake)

    @contextmanager
    def at(self, key: str, what: str = "") -> Iterator[None]:
        """Note what the block raises about a file or parameter as a mistake about `key`."""
        try:
            yield
        except (OSError, ValueError) as error:  # InputError, and what libraries make of bad files
            self.note(key, f"{what}{error}")

    @contextmanager
    def named(self, otherwise: str) -> Iterator[None]:
        """Note what the block raises at the key its message begins with, such as `data.fold.k:`."""
        try:
            yield
        except ValueError as error:
            found = re.match(r"(data(?:\.\w+)+): ", str(error))
            self.note(found[1] if found else otherwise, str(error))
