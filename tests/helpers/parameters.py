"""The root params.yaml with changes: what it holds, or its mistakes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from temper import params
from temper import params_reference as reference
from temper.core import yaml_file
from temper.core.errors import InputError
from temper.params.group import Group
from tests.helpers.workspace import ROOT, change

TEXT = (ROOT / "params.yaml").read_text()


def load(folder: Path, *replacements: tuple[str, str]) -> params.Params:
    """Load the file with some of its text replaced."""
    text = TEXT
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "params.yaml").write_text(text)
    return params.load(folder / "params.yaml")


def load_changed(folder: Path, changes: dict[str, Any]) -> params.Params:
    """Load the file with dotted keys set."""
    tree = change(yaml.load(TEXT, Loader=yaml_file.Loader), changes)
    (folder / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    return params.load(folder / "params.yaml")


def mistakes(folder: Path, *replacements: tuple[str, str]) -> str:
    """Return the error of the file with some of its text replaced."""
    with pytest.raises(InputError) as caught:
        load(folder, *replacements)
    return str(caught.value)


def mistakes_changed(folder: Path, changes: dict[str, Any]) -> str:
    """Return the error of the file with dotted keys set."""
    with pytest.raises(InputError) as caught:
        load_changed(folder, changes)
    return str(caught.value)


def line_of(fragment: str) -> int:
    return next(i for i, line in enumerate(TEXT.splitlines(), 1) if fragment in line)


def schema_keys() -> tuple[str, ...]:
    """Return every dotted key that holds a value rather than a group, in the schema's order.

    Keys of `task` are those of all tasks. A mapping of groups is a value, as it may be {}, and the
    keys below it have `<name>` for a name that params.yaml gives: `evaluate.zero_shot`,
    `evaluate.zero_shot.<name>.template`.
    """

    def leaves(group: type[Group], prefix: str) -> Iterator[str]:
        for key in reference.keys_of(group, prefix):
            if not key.groups or key.is_mapping:
                yield key.dotted
            for inner in key.groups:
                yield from leaves(inner, key.inner)

    return tuple(dict.fromkeys(leaves(params.Params, "")))
