"""The result of `temper check`: mistakes with their file and line, and facts about the run."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import yaml

from temper import params
from temper.core import errors
from temper.core.yaml_file import compose, line_of


@dataclass
class Findings:
    """Collects the mistakes of every check; none stops the next one."""

    tree: yaml.Node = field(default_factory=lambda: compose(params.PARAMS_FILE))
    mistakes: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)

    def add(self, key: str, text: str) -> None:
        """Record a mistake in a key of params.yaml, such as `train.launch`."""
        self.note(key, f"{key}: {text}")

    def note(self, key: str, text: str) -> None:
        """Record a complete message at the line of `key`, unless it is there already."""
        mistake = f"{params.PARAMS_FILE}:{line_of(self.tree, key.split('.'))}: {text}"
        if mistake not in self.mistakes:
            self.mistakes.append(mistake)

    @contextmanager
    def at(self, key: str, prefix: str = "") -> Iterator[None]:
        """Record what the block raises as a mistake in `key`, its message after `prefix`."""
        try:
            yield
        except (OSError, ValueError) as error:  # InputError, and what libraries raise on bad files
            self.note(key, f"{prefix}{error}")

    @contextmanager
    def named(self, default_key: str) -> Iterator[None]:
        """Record what the block raises at the key its message starts with (`data.fold.k: …`)."""
        try:
            yield
        except ValueError as error:
            match = re.match(r"((?:data|task)(?:\.\w+)+): ", str(error))
            self.note(match[1] if match else default_key, str(error))

    @contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """Record whatever the block raises; `TEMPER_DEBUG=1` raises it again."""
        try:
            yield
        except Exception as error:
            if os.environ.get("TEMPER_DEBUG") == "1":
                raise
            self.mistakes.append(unexpected(what, error))


def unexpected(what: str, error: Exception) -> str:
    """Return the message for an error that no check foresaw."""
    reason = errors.describe(error)
    if reason is None:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}; this is a fault "
        reason += "of temper, and TEMPER_DEBUG=1 shows where"
    return f"temper check could not check {what}: {reason}"
