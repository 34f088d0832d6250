"""A trial's params.yaml."""

import yaml

from temper.core import yaml_file
from temper.sweep import workspace
from tests.helpers.workspace import ROOT


def test_edits_params_yaml_and_keeps_its_comments():
    """Everything else stays; null stays null and a mapping is written as one."""
    text = (ROOT / "params.yaml").read_text()
    assert workspace.edit_params(text, {}) == text
    found = workspace.edit_params(
        text,
        {"train.learning_rate": 1.5e-05, "train.weight_averaging": {"kind": "ema", "decay": 0.9}},
    )
    read = yaml.load(found, Loader=yaml_file.Loader)
    assert read["train"]["learning_rate"] == 1.5e-05
    assert read["train"]["weight_averaging"] == {"kind": "ema", "decay": 0.9}
    gone = [line for line in text.splitlines() if line not in found.splitlines()]
    assert [line.split(":")[0].strip() for line in gone] == ["learning_rate"]
