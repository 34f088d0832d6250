"""A model that was not trained."""

from pathlib import Path

from stages import train
from temper.core import arrow
from temper.tasks.base import registry
from temper.training import networks


def untrained(parameters):
    """Write data/model with the base model's new weights, not trained."""
    data = arrow.load(Path("data/tokenized"))
    train.determinism.configure(parameters.determinism, 1)
    features = data["train"].features
    network = networks.build(
        Path("data/base"), registry.load(parameters, features), features, parameters
    )
    networks.save(network, Path("data/model"))
    for file in Path("data/base/processor").iterdir():
        (Path("data/model") / file.name).write_bytes(file.read_bytes())
