"""Checkpoints: training resumes from the newest complete one and ends with the same bits."""

import errno
import os
import resource
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from stages import train
from temper.core import artifacts
from temper.core.errors import InputError
from temper.training import checkpoint
from tests.helpers.training import (
    BASE,
    TARGETS,
    assert_same,
    fit,
    resumed_and_whole,
    trained,
    weights,
)


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["best", "last", "all"])
def test_keep_checkpoints_selects_what_stays(prepare, keep):
    """data/checkpoints has what the parameter says, data/model the best weights."""
    parameters = prepare(train__keep_checkpoints=keep, train__metric_for_best_model="loss")
    session = fit(parameters)
    targets = (Path("data/model"), Path("data/checkpoints"), Path("data/history"))
    train.write_outputs(session, BASE, targets)
    expected = {"best": {"best"}, "last": {"last"}, "all": {"epoch-1", "epoch-2"}}[keep]
    assert {path.name for path in targets[1].iterdir()} == expected
    losses = [row["loss"] for row in session.history.validation]
    best = session.history.validation[int(np.argmin(losses))]["step"]
    assert (targets[0] / "model.safetensors").read_bytes() == (
        session.folder / f"best-{best}" / "model.safetensors"
    ).read_bytes()
    assert (targets[2] / "train.csv").read_text().count("\n") == 1 + 12


@pytest.mark.slow
def test_resumed_equals_uninterrupted(prepare):
    """A checkpoint in mid-epoch, with dropout, gives the same weights and history to the bit."""
    parameters = prepare(train__save_every=4, model__config={"hidden_dropout_prob": 0.1})
    assert_same(*resumed_and_whole(parameters))


@pytest.mark.slow
@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.pt"])
def test_full_disk_keeps_the_previous_checkpoint(prepare, file):
    """The system refuses the file, and the message says what is needed and what is left."""
    parameters = prepare(train__save_every=4)
    whole = fit(parameters, "whole")
    limit = (whole.folder / "checkpoint-12" / file).stat().st_size // 2 + 2**18
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(prefix, metrics, step):
        if prefix == "train" and step == 7:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))

    try:
        with pytest.raises(InputError, match=r"cannot write .*checkpoint-8, which needs") as caught:
            fit(parameters, "cut", fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    size = sum(p.stat().st_size for p in whole.folder.glob("checkpoint-12/*")) / 2**20
    needed = float(str(caught.value).split("which needs ")[1].split(" MiB")[0])
    assert needed == pytest.approx(size, abs=1)
    assert "(ulimit -f); raise that limit" in str(caught.value)
    assert "checkpoint-4 is complete; a rerun resumes from it" in str(caught.value)
    assert checkpoint.step_of(checkpoint.newest_complete(Path("work/cut"))) == 4
    assert not list(Path("work/cut/partial").iterdir())
    assert torch.equal(weights(fit(parameters, "cut")), weights(whole))


@pytest.mark.slow
def test_too_small_a_disk_stops_before_the_first_step(prepare, monkeypatch):
    """The message has both numbers."""
    parameters, steps = prepare(), []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    with pytest.raises(InputError, match=r"needs \d+ MiB: the disk is full \(1 MiB are free\)"):
        fit(parameters, on_metrics=lambda *_: steps.append(1))
    assert steps == []


@pytest.mark.slow
def test_stop_signals_checkpoint_and_exit_with_their_status(prepare, capsys):
    """They come in mid-epoch, and the last start ends with the uninterrupted weights."""
    parameters = prepare(train__save_every="epoch")
    whole = fit(parameters, "whole")
    for number, at, cause in ((signal.SIGTERM, 4, "stopped by SIGTERM"),
                              (signal.SIGINT, 9, "interrupted")):  # fmt: skip
        before = signal.getsignal(number)

        def stop(prefix, metrics, step, number=number, at=at):
            if prefix == "train" and step == at:
                os.kill(os.getpid(), number)

        with pytest.raises(SystemExit) as stopped:
            fit(parameters, "cut", stop)
        assert stopped.value.code == 128 + number
        assert signal.getsignal(number) is before
        assert checkpoint.step_of(checkpoint.newest_complete(Path("work/cut"))) == at + 1
        line = f"{cause} at step {at + 1}; rerun the same command to resume"
        assert line in capsys.readouterr().err.splitlines()
    assert_same(fit(parameters, "cut"), whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"train__keep_checkpoints": "last"},
        {"train__keep_checkpoints": "all"},
        {"train__weight_averaging": {"kind": "last", "count": 2}},
    ],
)
def test_damaged_weights_are_trained_again(prepare, capsys, changes):
    """One bit is another in what becomes data/model or data/checkpoints, or the folder is gone."""
    parameters = prepare(train__metric_for_best_model="loss", train__save_every=4, **changes)
    session = trained(parameters)
    before = [artifacts.sha256_tree(target) for target in TARGETS]
    sources = {*session.model_sources(), *session.kept_checkpoints().values()}
    for source in sorted(sources):
        flip_a_bit(source / "model.safetensors")
        with pytest.raises(InputError, match=f"{source} has changed since it was written"):
            train.write_outputs(session, BASE, TARGETS)
        session = trained(parameters)
        said = f"{source.name} in work/run: missing, or not what was written; training again from"
        assert said in capsys.readouterr().err
        assert [artifacts.sha256_tree(target) for target in TARGETS] == before
    shutil.rmtree(source)
    trained(parameters)
    assert said in capsys.readouterr().err
    assert [artifacts.sha256_tree(target) for target in TARGETS] == before
    trained(parameters)
    assert "training again" not in capsys.readouterr().err


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 64
    path.write_bytes(content)


@pytest.mark.slow
def test_skips_an_incomplete_checkpoint(prepare, capsys):
    """With a file cut short, a file missing or no manifest, the previous one is used."""
    fit(prepare(train__save_every=4))
    folder = Path("work/run")
    newest = checkpoint.newest_complete(folder)
    with (newest / "optimizer.pt").open("r+b") as file:
        file.truncate(100)
    assert checkpoint.step_of(checkpoint.newest_complete(folder)) == 8
    assert (
        "checkpoint-12 is incomplete; falling back to the previous one" in capsys.readouterr().err
    )


def test_publishes_in_order_and_nothing_after_a_failure(tmp_path):
    writer, done = checkpoint.CheckpointWriter(tmp_path, torch.nn.Linear(1, 1)), []

    def fail():
        raise OSError("no space")

    writer.submit("a", lambda: done.append("a"))
    writer.wait()
    assert done == ["a"]
    writer.submit("b", fail)
    writer.submit("c", lambda: done.append("c"))
    writer.settle()
    with pytest.raises(OSError, match="no space"):
        writer.wait()
    assert done == ["a"]


@pytest.mark.slow
def test_disk_that_fills_up_behind_training_ends_it_at_the_next_checkpoint(prepare, monkeypatch):
    """The failed checkpoint does not appear; the run resumes from the one before it."""
    parameters = prepare(train__save_every=4)
    whole, fsync_tree = fit(parameters, "whole"), artifacts.fsync_tree

    def full(folder):
        if folder.name == "checkpoint-8":
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync_tree(folder)

    with monkeypatch.context() as patch:
        patch.setattr(artifacts, "fsync_tree", full)
        with pytest.raises(InputError, match=r"checkpoint-8.*checkpoint-4 is complete"):
            fit(parameters, "cut")
    assert checkpoint.step_of(checkpoint.newest_complete(Path("work/cut"))) == 4
    assert torch.equal(weights(fit(parameters, "cut")), weights(whole))
