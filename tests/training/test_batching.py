"""Batches of the training split as tensors."""

from pathlib import Path

import datasets
import numpy as np
import pytest
import torch

from temper.core import arrow
from temper.core.errors import InputError
from temper.training import batching
from temper.training.sampler import BucketSampler
from temper.training.session import TrainingSession
from tests.helpers.training import fit
from tests.helpers.workspace import ROOT


def test_a_resumed_training_estimates_the_labels_of_a_batch_as_from_the_start():
    """The estimate depends neither on the epoch nor on what is read first, and leaves it alone."""

    def collator(rows):  # labels one token in two, drawn anew in each epoch
        draws = [np.random.default_rng(row["draw"]).random(8) for row in rows]
        return {"labels": np.where(np.array(draws) < 0.5, 1, -100)}

    means = []
    for epoch in (0, 3):
        sampler = BucketSampler(
            np.full(40, 8), batch_size=80, in_tokens=True, accumulation_steps=1,
            window=0, seed=0, rank=0, world_size=1,
        )  # fmt: skip
        rows = batching.TrainingRows(datasets.Dataset.from_dict({"x": [0] * 40}), sampler, collator)
        sampler.set_epoch(epoch)
        means.append(float(rows.num_labels([], torch.device("cpu"))))
        assert sampler.epoch == epoch
    assert means[0] == means[1]
    assert 20 < means[0] < 60


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
