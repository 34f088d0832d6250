"""On an XLA device, here the CPU as torch_xla sees it (docs/tpu.md); skipped without torch_xla."""

import os
import shutil
from pathlib import Path

import pytest

from temper.core.errors import InputError
from temper.training import checkpoint
from tests.helpers.training import assert_same, fit

os.environ.setdefault("PJRT_DEVICE", "CPU")
debug = pytest.importorskip("torch_xla.debug.metrics")
pytestmark = pytest.mark.slow


def compilations():
    data = debug.metric_data("CompileTime")
    return data[0] if data else 0


def test_compiles_one_shape_in_the_first_epoch_only(prepare):
    """Later steps and evaluations compile nothing, and the weights are trained."""
    seen = []

    def count(prefix, metrics, step):
        seen.append((step, compilations()))

    changes = {"train__engine": "loop", "tokenize__padding": "max_length", "train__epochs": 3.0}
    changes |= {"model__config": {"hidden_dropout_prob": 0.1}}
    session = fit(prepare(**changes), on_metrics=count)
    assert session.model.device.type == "xla"
    (first_epoch,) = {number for step, number in seen if step == 6}
    assert {number for step, number in seen if step > 6} == {first_epoch}
    losses = [row["loss"] for row in session.history.validation]
    assert len(set(losses)) == 3


def test_resumed_equals_uninterrupted(prepare):
    """A checkpoint in mid-epoch, with dropout, gives the same bits."""
    changes = {"train__engine": "loop", "tokenize__padding": "max_length", "train__save_every": 4}
    parameters = prepare(**changes, model__config={"hidden_dropout_prob": 0.1})
    whole = fit(parameters, "whole")
    shutil.copytree("work/whole", "work/cut")
    shutil.rmtree("work/cut/checkpoint-12")
    assert checkpoint.step_of(checkpoint.newest_complete(Path("work/cut"))) == 8
    assert_same(fit(parameters, "cut"), whole)


def test_refuses_the_trainer(prepare):
    """It is refused before any step, since it could not continue after one."""
    with pytest.raises(InputError, match=r"set train\.engine to loop"):
        fit(prepare(train__engine="trainer"))
