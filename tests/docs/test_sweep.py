"""docs/sweep.md: its example is a sweep of params.yaml."""

import yaml

from temper.core import yaml_file
from temper.sweep import space, sweep_config
from tests.helpers.workspace import ROOT


def test_the_docs_example_is_a_sweep(tmp_path):
    """As docs/sweep.md has it, of the parameters in params.yaml."""
    text = (ROOT / "docs/sweep.md").read_text().split("```yaml\n")[1].split("```")[0]
    (tmp_path / "sweep.yaml").write_text(text)
    found = sweep_config.load(tmp_path / "sweep.yaml")
    tree = yaml.load((ROOT / "params.yaml").read_text(), Loader=yaml_file.Loader)
    assert set(space.check(found, tree, tmp_path / "sweep.yaml")) == set(found.parameters)
