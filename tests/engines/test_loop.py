"""The loop written out with Accelerate makes the Trainer's steps, and resumes bit-identically."""

import os
import pickle
import shutil
from pathlib import Path

import pytest

from temper.core import artifacts
from temper.core.errors import InputError
from temper.training import checkpoint
from tests.helpers.training import assert_same, distance, fit, resumed_and_whole


@pytest.mark.slow
@pytest.mark.parametrize("micro_batches", [None, 4])
def test_loop_makes_the_trainers_steps(prepare, micro_batches):
    """Losses, rates, gradients, scores and weights agree step by step, also with micro-batches."""
    changes = {"model__config": {"hidden_dropout_prob": 0.1}}
    changes |= {"train__per_device_batch_size": micro_batches, "train__lr_scheduler_type": "cosine"}
    trainer = fit(prepare(**changes), "trainer")
    loop = fit(prepare(**changes, train__engine="loop"), "loop")
    assert len(loop.history.train) == 12
    for row, expected in zip(loop.history.train, trainer.history.train, strict=True):
        assert row == pytest.approx(expected, rel=1e-5)
    assert loop.history.validation == [
        pytest.approx(r, rel=1e-5) for r in trainer.history.validation
    ]
    assert distance(loop, trainer) < 1e-6
    assert loop.total_flos == trainer.total_flos
    one, other = (Path("work", name, "last/config.json") for name in ("trainer", "loop"))
    assert one.read_text() == other.read_text()


@pytest.mark.slow
def test_loop_resumes_to_the_bit(prepare):
    """It continues from a checkpoint in mid-epoch, with dropout."""
    changes = {"train__save_every": 4, "model__config": {"hidden_dropout_prob": 0.1}}
    parameters = prepare(**changes, train__engine="loop")
    assert_same(*resumed_and_whole(parameters))


def test_loop_runs_no_code_of_a_checkpoint(prepare):
    """A pickle beside the state, as accelerate would load it for a scheduler, is not read."""
    parameters = prepare(train__save_every=4, train__engine="loop")
    fit(parameters, "cut")
    folder, *later = checkpoint.numbered_folders(Path("work/cut"), "checkpoint")
    for path in later:
        shutil.rmtree(path)
    assert not list(folder.glob("custom_checkpoint_*"))
    (folder / "custom_checkpoint_0.pkl").write_bytes(pickle.dumps(Touch(), protocol=2))
    write_manifest(folder)
    with pytest.raises(InputError, match="checkpoint-8 is no checkpoint of this training"):
        fit(parameters, "cut")
    (folder / "custom_checkpoint_0.pkl").rename(folder / "optimizer.bin")
    write_manifest(folder)
    with pytest.raises(InputError, match="checkpoint-8 is no checkpoint of this training"):
        fit(parameters, "cut")
    assert not Path("touched").exists()


def write_manifest(folder):
    hashes = artifacts.sha256_tree(folder)
    hashes.pop("manifest.json")
    artifacts.write_json(folder / "manifest.json", hashes)


class Touch:
    """Makes a file where it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch touched",)
