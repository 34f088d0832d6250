"""`temper init` writes params.yaml, tracks data and model with DVC, checks, and can commit."""

import io
from pathlib import Path

import pytest
import yaml

from temper.cli import init
from temper.core.errors import InputError
from tests.helpers import hub, own_data
from tests.helpers.repository import clone, run

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(origin, tmp_path):
    own_data.write_all(tmp_path / "own")
    return clone(origin, tmp_path / "clone")


def test_from_a_file_elsewhere_to_a_commit_that_trains(folder, tmp_path):
    """The data are in DVC's cache and not in git; what git has is enough for `dvc repro`."""
    command = f"temper init {tmp_path}/own/pairs.csv --model data/sample/model --yes --commit"
    done = run(folder, command)
    assert "copied" in done.stdout
    assert "no mistakes found" in done.stdout
    assert done.stdout.endswith("next: dvc repro\n")
    assert run(folder, "git status --porcelain").stdout == ""
    tracked = run(folder, "git ls-files mydata").stdout.split()
    assert tracked == ["mydata/.gitignore", "mydata/pairs.csv.dvc"]
    assert "data/sample/model is tracked by git" in done.stdout
    assert run(folder, "git log -1 --format=%s").stdout == "Parameters for mydata/pairs.csv\n"
    assert str(tmp_path) not in (folder / "params.yaml").read_text()
    run(folder, "dvc repro download@dataset")
    assert "download@dataset" in yaml.safe_load((folder / "dvc.lock").read_text())["stages"]


def test_edits_of_params_yaml_are_not_lost(folder, tmp_path, monkeypatch):
    """Where nobody can be asked it stops before it writes anything."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    edited = Path("params.yaml").read_text().replace("seed: ", "seed: 1")
    Path("params.yaml").write_text(edited)
    message = "params.yaml has uncommitted changes; commit them, or overwrite: --yes"
    with pytest.raises(InputError, match=message):
        init.init(str(tmp_path / "own/pairs.csv"))
    assert Path("params.yaml").read_text() == edited
    assert not Path("mydata").exists()


def test_a_question_without_an_answer_ends_before_anything_is_written(
    folder, tmp_path, monkeypatch, capsys
):
    """--yes asks nothing: it names the option that answers."""
    monkeypatch.chdir(folder)
    before = Path("params.yaml").read_text()
    with pytest.raises(InputError, match="say so with --label"):
        init.init(str(tmp_path / "own/two_labels.csv"), model="data/sample/model", yes=True)
    assert "copied" in capsys.readouterr().out
    assert not Path("mydata").exists()  # a corrected file is copied anew
    assert Path("params.yaml").read_text() == before


def test_a_commit_that_git_would_refuse_ends_before_anything_is_written(
    folder, tmp_path, monkeypatch
):
    """A repository of another user's, or no name to commit as."""
    monkeypatch.chdir(folder)
    before = Path("params.yaml").read_text()
    for name, value, message in (
        ("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1", "dubious ownership"),
        ("GIT_AUTHOR_NAME", "", "GIT_AUTHOR_IDENT .*empty ident name"),
        ("GIT_COMMITTER_NAME", "", "GIT_COMMITTER_IDENT .*empty ident name"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            with pytest.raises(InputError, match=message):
                init.init(str(tmp_path / "own/pairs.csv"), yes=True, commit=True)
    assert Path("params.yaml").read_text() == before
    assert not Path("mydata").exists()


def test_a_data_set_on_the_hub_is_pinned_to_its_commit(folder):
    """Its splits get the names they have here; of several configurations one has to be named."""
    rows = "text,label\n" + "".join(f"row {i} of many,{'ab'[i % 2]}\n" for i in range(40))
    parts = "[{split: train, path: train.csv}, {split: validation, path: dev.csv}]"
    small = f"config_name: small, data_files: {parts}"
    card = f"---\nconfigs:\n- {{{small}}}\n- {{config_name: large, data_files: x.csv}}\n---\n"
    files = {"README.md": card, "train.csv": rows, "dev.csv": rows.replace("row", "line")}
    with hub.serve(hub.Hub({"datasets/me/data": {k: v.encode() for k, v in files.items()}})) as it:
        reach = {"HF_ENDPOINT": it.url, "HF_HOME": str(folder / ".home")}
        reach |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        command = "temper init me/data --model data/sample/model --yes"
        done = run(folder, command, check=False, **reach)
        assert "2 configurations; which one? small, large: say so with --config" in done.stderr
        it.requests.clear()
        run(folder, f"{command} --config small", **reach)
    assert it.requests.count("GET /api/datasets/me/data") == 1  # it is opened once
    data = yaml.safe_load((folder / "params.yaml").read_text())["data"]
    assert data["source"] == "hub"
    assert data["hub"]["config"] == "small"
    assert data["hub"]["revision"] == hub.COMMIT
    assert data["hub"]["splits"] == {"train": "train", "validation": "validation"}
