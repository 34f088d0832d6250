"""Batches of the training split as tensors."""

from pathlib import Path

import numpy as np
import pytest

from temper.core import arrow
from temper.core.errors import InputError
from temper.training import batching
from temper.training.session import TrainingSession
from tests.helpers.training import fit
from tests.helpers.workspace import ROOT


@pytest.mark.slow
def test_resampling_makes_the_epoch_longer_and_needs_one_label_per_row(prepare):
    """The number of steps follows the rows of an epoch."""
    session = fit(prepare(train__resampling="over", train__epochs=1.0))
    counts = np.bincount(arrow.load(Path("data/tokenized"))["train"]["labels"])
    assert len(session.history.train) == -(-2 * counts.max() // 16)
    with pytest.raises(InputError, match="exactly one label per training row"):
        batching.resampling_labels({"labels": [[0, 1]]}, "over")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_with_padding_max_length_every_batch_has_one_shape(prepare, tmp_path, engine, monkeypatch):
    """The last batch too, in training and evaluation, and scores and losses stay the same."""
    from temper.training import validator

    shapes = {"train": set(), "validation": set()}
    forward = validator.inference.torch_forward

    def watched(network, *args, **kwargs):
        run = forward(network, *args, **kwargs)
        return lambda batch: shapes["validation"].add(batch["input_ids"].shape) or run(batch)

    loss = TrainingSession.compute_loss

    def observed(self, network, micro_batch, *arguments):
        shapes["train"].add(tuple(micro_batch["input_ids"].shape))
        return loss(self, network, micro_batch, *arguments)

    lines = (ROOT / "tests/data/train.csv").read_text().splitlines(True)
    (tmp_path / "short.csv").write_text("".join(lines[:-5]))
    changes = {
        "train__engine": engine,
        "train__epochs": 1.0,
        "train__per_device_eval_batch_size": 20,
    }
    changes |= {"data__files.train": "short.csv"}
    plain = fit(prepare(**changes), "plain")
    monkeypatch.setattr(validator.inference, "torch_forward", watched)
    monkeypatch.setattr(TrainingSession, "compute_loss", observed)
    fixed = fit(prepare(**changes, tokenize__padding="max_length"), "fixed")
    assert len(plain.rows) % 16
    assert shapes == {"train": {(16, 64)}, "validation": {(20, 64)}}
    for mine, its in zip(fixed.history.validation, plain.history.validation, strict=True):
        assert mine == pytest.approx(its, rel=1e-4)
