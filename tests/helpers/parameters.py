"""Mistakes in params.yaml with some of its text replaced."""

import pytest

from temper import params
from temper.core.errors import InputError
from tests.helpers.workspace import ROOT

TEXT = (ROOT / "params.yaml").read_text()


def load(tmp_path, *replacements):
    text = TEXT
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / "params.yaml").write_text(text)
    return params.load(tmp_path / "params.yaml")


def mistakes(tmp_path, *replacements):
    with pytest.raises(InputError) as caught:
        load(tmp_path, *replacements)
    return str(caught.value)


def line_of(fragment):
    return next(i for i, line in enumerate(TEXT.splitlines(), 1) if fragment in line)
