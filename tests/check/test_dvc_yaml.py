"""dvc.yaml is held against the code and the parameters."""

from pathlib import Path

from temper.cli import check
from tests.helpers.checks import KEPT, examine, only
from tests.helpers.workspace import ROOT


def test_checks_dvc_yaml_against_code_and_parameters(write_params):
    """This project's own passes; an unknown key or file is named with its line."""
    write_params()
    for name in ("stages", "temper"):
        Path(name).symlink_to(ROOT / name)
    for name in KEPT:
        Path(name).mkdir(parents=True)
    own = (ROOT / "dvc.yaml").read_text()
    assert examine(write_params, own)[0] == []
    wrong = own.replace("- evaluate.positive_label", "- evaluate.positiv_label")
    wrong = wrong.replace("launch/${train.launch}", "launch/${train.lunch}", 1)
    wrong = wrong.replace("- stages/train.py", "- stages/trane.py")
    text = "\n".join(examine(write_params, wrong)[0])
    assert "params.yaml has no train.lunch (did you mean 'train.launch'?)" in text
    assert "no evaluate.positiv_label (did you mean 'evaluate.positive_label'?)" in text
    line = wrong.splitlines().index("      - stages/trane.py") + 1
    assert f"dvc.yaml:{line}: stages/trane.py does not exist (did you mean 'stages/train" in text


def test_names_a_missing_or_broken_dvc_yaml(write_params):
    """It is one mistake, and the rest is still checked."""
    assert "dvc.yaml:1: not YAML" in examine(write_params, "stages: [", train__launch="x")[0][0]
    parameters = write_params()
    Path("dvc.yaml").unlink()
    assert only(check.examine(parameters)[0]).startswith("dvc.yaml: no such file")
