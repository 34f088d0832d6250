"""Stages are rebuilt in the order of the pipeline."""

import pytest

from temper.cli import verify
from temper.core.errors import InputError


def test_stages_are_rebuilt_in_the_order_of_the_pipeline():
    """The order in dvc.lock does not matter."""
    locked = {
        "train": {"deps": [{"path": "data/tokenized"}], "outs": [{"path": "data/model"}]},
        "tokenize": {"deps": [{"path": "data/raw"}], "outs": [{"path": "data/tokenized"}]},
        "download@dataset": {"deps": [], "outs": [{"path": "data/raw"}]},
    }
    assert verify.select([], locked, True) == ["download@dataset", "tokenize", "train"]
    assert verify.select([], locked, False) == ["tokenize", "train"]
    assert verify.select(["download"], locked, True) == ["download@dataset"]
    with pytest.raises(InputError, match=r"no stage tokenise .did you mean 'tokenize'"):
        verify.select(["tokenise"], locked, True)
