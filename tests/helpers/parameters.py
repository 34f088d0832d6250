"""The root params.yaml with changes: what it holds, or its mistakes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from temper import params
from temper.core import yaml_file
from temper.core.errors import InputError
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
