"""Studies in memory, run through without processes."""

import yaml

from temper.core import yaml_file
from temper.sweep import storage, study, sweep_config
from tests.helpers import sweeps
from tests.helpers.workspace import ROOT

TREE = yaml.load((ROOT / "tests/params.yaml").read_text(), Loader=yaml_file.Loader)
RANGE = {"low": 1e-5, "high": 1e-2, "log": True}


def loaded(tmp_path, **changes):
    """Return a sweep's configuration, and its file."""
    sweeps.write(tmp_path, **changes)
    return sweep_config.load(tmp_path / "sweep.yaml"), tmp_path / "sweep.yaml"


def in_memory(config, is_integer=None):
    """Return a study that no other process sees, as one process runs it to its end."""
    opened = storage.open_storage("sqlite://", is_shared=config.storage is not None)
    is_integer = is_integer or dict.fromkeys(config.parameters, False)
    return study.Study(config, opened, is_integer, "folder", greater_is_better=True)


def run_through(found, objective):
    """Run a study without processes; return its trials."""
    while (trial := found.next()) is not None:
        score = objective(trial.user_attrs["values"], trial.user_attrs["seed"])
        found.tell(trial, "COMPLETE", score)
    return found.trials()


def stub_score(values, seed=None):
    """Return what the stub's training scores: see tests/helpers/sweeps.py."""
    from math import log10

    rate, decay = values["train.learning_rate"], values.get("train.weight_decay", 0.1)
    return (
        0.9 - (log10(rate) + 3.5) ** 2 / 10 - decay / 9 + ((42 if seed is None else seed) % 5) / 100
    )
