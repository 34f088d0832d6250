"""Results of made-up logits, and a model that was not trained."""

from pathlib import Path

import numpy as np

from stages import train
from temper.core import arrow
from temper.evaluation.split_result import LabelSpec, SplitResult
from temper.tasks.base import registry
from temper.training import networks


def spec(kind="classification", names=("a", "b"), positive=1):
    return LabelSpec(metrics=kind, label_names=list(names), positive=positive, threshold=0.5)


def scored(predictions, references, probabilities=None):
    rows = len(predictions)
    wide = np.eye(int(max(references)) + 1)[predictions] if probabilities is None else probabilities
    return SplitResult(
        predictions=np.asarray(predictions),
        references=np.asarray(references),
        confidence=wide.max(-1),
        loss=np.arange(rows, dtype=float),
        sampled_rows=np.arange(rows),
        probabilities=wide,
    )


def untrained(parameters):
    """Write data/model with the base model's new weights, not trained."""
    data = arrow.load(Path("data/tokenized"))
    train.determinism.configure(parameters.determinism, 1)
    features = data["train"].features
    network = networks.build(
        Path("data/base"), registry.load(parameters, features), features, parameters.model
    )
    networks.save(network, Path("data/model"))
    for file in Path("data/base/processor").iterdir():
        (Path("data/model") / file.name).write_bytes(file.read_bytes())
