"""Train in this process, and compare what came of it."""

import shutil
from pathlib import Path

import torch

from stages import train
from temper.core import arrow
from temper.training import checkpoint

BASE = Path("data/base")
MLP = {"kind": "mlp", "pooling": "mean", "hidden_size": 24, "dropout": 0.1}
TARGETS = (Path("data/model"), Path("data/checkpoints"), Path("data/history"))


def fit(parameters, name="run", on_metrics=lambda *_: None):
    """Train in this process; return the engine."""
    data = arrow.load(Path("data/tokenized"))
    folder = Path("work", name)
    folder.mkdir(parents=True, exist_ok=True)
    return train.fine_tune(parameters, data, BASE, folder, on_metrics)


def weights(engine):
    return torch.cat([p.detach().flatten() for p in engine.model.parameters()])


def assert_same(one, other):
    """Weights and history agree to the bit."""
    assert torch.equal(weights(one), weights(other))
    assert one.history == other.history


def resumed_and_whole(parameters):
    """Train, then train again from the first checkpoint of that; return both engines."""
    whole = fit(parameters, "whole")
    shutil.copytree("work/whole", "work/cut")
    _, *later = checkpoint.numbered_folders(Path("work/cut"), "checkpoint")
    assert later
    for path in later:
        shutil.rmtree(path)
    return fit(parameters, "cut"), whole


def distance(one, other):
    """Return the relative distance of two whole weight vectors."""
    return float((weights(one) - weights(other)).norm() / weights(other).norm())


def trained(parameters, name="run"):
    """Train, write data/model, and return the course."""
    session = fit(parameters, name)
    train.write_outputs(session, BASE, TARGETS)
    return session
