"""docs/data.md: its commands are DVC's."""

import re
import shlex

from temper import params
from tests.helpers.downloads import SINGLE
from tests.helpers.workspace import ROOT


def test_commands_of_the_page_work(write_params, hundred_rows):
    """Each `-S` is an override that DVC takes and the schema knows."""
    from dvc.utils.hydra import apply_overrides, get_hydra_sweeps

    text, sizes = (ROOT / "docs/data.md").read_text(), []
    for line in re.findall(r"dvc exp run --queue (.*)", text):
        overrides = shlex.split(line.replace("-S ", ""))
        sweeps = get_hydra_sweeps({"params.yaml": overrides})
        sizes.append(len(sweeps))
        for sweep in sweeps:
            write_params(**SINGLE, **hundred_rows)
            apply_overrides("params.yaml", sweep["params.yaml"])
            data = params.load().data
            assert data.fold is not None or data.subset
    assert sizes == [5, 12]
