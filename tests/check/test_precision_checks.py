"""`temper check` says what auto chooses, and what has no units on this machine."""

from pathlib import Path

import pytest

from temper.core import artifacts
from temper.training import precision
from tests.helpers.checks import examine, line_of, only


@pytest.fixture
def units(monkeypatch):
    """Return a function that gives this machine units for bf16, or none."""

    def give(found):
        monkeypatch.setattr(precision, "bf16_units", lambda _: (found, "the reason"))

    return give


def test_fp16_needs_a_gpu(write_params, monkeypatch):
    """It is refused without a GPU and accepted with one."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "fp16 needs a GPU" in only(examine(write_params, train__precision="fp16")[0])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert examine(write_params, train__precision="fp16")[0] == []


def test_bf16_without_units_is_a_warning(write_params, units):
    """It has line, reason and cure, and is no mistake."""
    units(False)
    found, facts = examine(write_params, train__precision="bf16")
    assert found == []
    start = f"params.yaml:{line_of('precision: bf16')}: train.precision: bf16 is slower than fp32"
    assert facts["warning"] == f"{start} here, on a CPU 20 times: the reason; auto takes fp32"
    for has_units in (True, None):
        units(has_units)
        assert "warning" not in examine(write_params, train__precision="bf16")[1]
    assert not {"warning", "precision"} & examine(write_params, train__precision="fp32")[1].keys()


def test_names_what_another_machine_chose(write_params, units):
    """data/history has what the last training chose; the fact says how to keep it."""
    units(True)
    _, facts = examine(write_params, train__precision="auto")
    assert facts["precision"] == "bf16 (auto: the reason)"
    Path("data/history").mkdir(parents=True)
    artifacts.write_json(Path("data/history/chosen.json"), {"train.precision": "bf16"})
    _, facts = examine(write_params, train__precision="auto")
    assert facts["precision"] == "bf16 (auto: the reason)"
    units(False)
    _, facts = examine(write_params, train__precision="auto")
    assert facts["precision"] == (
        "fp32 (auto); data/model was trained in bf16: to stay with it, write train.precision: bf16"
    )
