"""Every launch file is what accelerate makes of it."""

from pathlib import Path

import pytest
import yaml

LAUNCH = Path(__file__).parent.parent / "launch"
FILES = sorted(LAUNCH.glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_accelerate_reads_it(file):
    """By accelerate's own loader, topology only."""
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(file))
    given = yaml.safe_load(file.read_text())
    assert config.num_processes == given["num_processes"]
    assert "mixed_precision" not in given
    assert str(config.distributed_type).endswith(given["distributed_type"])
