"""docs/sweep.md: its example is a sweep of params.yaml."""

import yaml

from temper.core import yaml_file
from temper.sweep import space, sweep_config
from tests.helpers.workspace import ROOT


def test_example_of_the_page_is_a_valid_sweep(tmp_path):
    """It sweeps parameters that params.yaml has."""
    text = (ROOT / "docs/sweep.md").read_text().split("```yaml\n")[1].split("```")[0]
    (tmp_path / "sweep.yaml").write_text(text)
    found = sweep_config.load(tmp_path / "sweep.yaml")
    tree = yaml.load((ROOT / "params.yaml").read_text(), Loader=yaml_file.Loader)
    assert list(space.mistakes(found, tree)) == []
