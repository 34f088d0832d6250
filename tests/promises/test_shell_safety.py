"""DVC runs the pipeline on any path, and on no name that is a command or leads out of data/."""

import shutil
from pathlib import Path

import pytest
import yaml

from temper.core import artifacts
from tests.helpers.repository import copy_code, run
from tests.helpers.workspace import ROOT, change, init_dvc

PATHS = {
    "train": "my data/customer reviews (final) [1].csv",
    "validation": """it's #1 & "two" `touch made` $(touch made); touch made;.csv""",
    "test": "new\nline ${seed} $HOME \\ *?{a,b}~ é.csv",
}
NAMES = {
    "data.files.a; touch made #": "tests/data/test.csv",
    "data.files.../../../kept/notes": "tests/data/test.csv",
    "model.files.$(touch made)": "data/sample/model",
    "evaluate.zero_shot.../../kept2": {"name": "sample", "template": "{}"},
    "tokenize.translators.../../kept3": {"name": "sample"},
    "train.teachers.$(touch made)": {"name": "sample"},
    "train.launch": "$(touch made)",
}


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a DVC repository without git in which nothing has run."""
    copy_code(tmp_path)
    init_dvc(tmp_path)
    return tmp_path


def write_params(folder: Path, changes: dict) -> None:
    """Write the tests' params.yaml with changes; the part of a key after its group may be odd."""
    tree = yaml.safe_load((ROOT / "tests/params.yaml").read_text())
    for key, value in changes.items():
        group, key_in_group = key.split(".", 2)[:2], key.split(".", 2)[2:]
        if key_in_group:
            tree[group[0]].setdefault(group[1], {})[key_in_group[0]] = value
        else:
            change(tree, {key: value})
    (folder / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))


@pytest.mark.slow
def test_paths_of_every_kind_work(folder):
    """Spaces, quotes, brackets, line breaks and commands are letters of a file name."""
    for split, path in PATHS.items():
        (folder / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / f"tests/data/{split}.csv", folder / path)
    write_params(folder, {f"data.files.{split}": path for split, path in PATHS.items()})
    run(folder, "dvc repro download@dataset")
    rows = artifacts.read_json(folder / "data/raw/summary.json")["splits"]
    assert {split: entry["rows"] for split, entry in rows.items()} == {
        "train": 96,
        "validation": 32,
        "test": 24,
    }
    lock = yaml.safe_load((folder / "dvc.lock").read_text())["stages"]
    for split, path in PATHS.items():
        assert path in [dep["path"] for dep in lock[f"data_files@{split}"]["deps"]]
    assert not (folder / "made").exists()
    with (folder / PATHS["test"]).open("a") as file:
        file.write("one,more,equivalent\n")
    assert "data_files@test" in run(folder, "dvc status data_files").stdout


@pytest.mark.slow
def test_names_that_are_commands_or_lead_elsewhere_do_nothing(folder):
    """Each is refused before a shell sees it, and before DVC deletes what lies there."""
    kept = ("kept/notes.json", "kept2/file", "kept3/file", "kept4/file")
    for name in kept:
        (folder / name).parent.mkdir()
        (folder / name).write_text("kept\n")
    write_params(folder, NAMES)
    shutil.copy(folder / "launch/single.yaml", folder / "launch/$(touch made).yaml")
    done = run(folder, "dvc repro --keep-going", check=False)
    assert done.returncode != 0
    for key in ("'a; touch made #'", "'../../../kept/notes'", "'$(touch made)'"):
        assert f"{key} is not allowed as a name" in done.stderr
    for stage in ("zero_shot@../../kept2", "translators@../../kept3", "train"):
        done = run(folder, f"dvc repro -f -s {stage}", check=False)
        assert f"failed to reproduce '{stage}'" in done.stderr
    assert "is not allowed as a name" in done.stderr
    write_params(folder, {"train.teachers.../../kept4": {"name": "sample"}})
    done = run(folder, "dvc repro", check=False)  # two stages would write there: DVC refuses
    assert "output 'kept4' is specified in" in done.stderr
    assert [(folder / name).read_text() for name in kept] == ["kept\n"] * 4
    assert not list(folder.rglob("made"))
