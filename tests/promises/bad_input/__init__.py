"""Bad inputs as data: what is changed, and what the one error says about it.

Each module beside this one holds the `CASES` of one area; `test_bad_input.py` runs them all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ABSENT = object()  # as a value of `changes`: remove the key
FileContent = str | bytes | Callable[[Path], object]


@dataclass(frozen=True, kw_only=True)
class BadInput:
    """One bad input.

    Attributes:
        name: of the case, unique in its module.
        says: fragments that the error has to contain: where, what was found, what is allowed.
        changes: dotted key of params.yaml → value, or ABSENT.
        files: path → text, bytes, or a function that makes the file or changes the one there.
        recipe: sample recipe that `changes` start from; None: tests/params.yaml.
        params_yaml: the whole text of params.yaml, in place of `changes`.
    """

    name: str
    says: tuple[str, ...]
    changes: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, FileContent] = field(default_factory=dict)
    recipe: str | None = None
    params_yaml: str | None = None


def changed(key: str, value: Any, *says: str, **fields: Any) -> BadInput:
    """Return a case of one value of params.yaml, whose key the error names."""
    name = f"{key}={'absent' if value is ABSENT else value}"
    return BadInput(name=name, changes={key: value}, says=("params.yaml:", key, *says), **fields)
