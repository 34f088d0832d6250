"""A trial's params.yaml and the files that it names."""

from pathlib import Path
from types import SimpleNamespace

import yaml

from temper.core import yaml_file
from temper.sweep import workspace
from tests.helpers.repository import USER, make_result, run
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


def test_files_above_the_folder_may_be_tracked(tmp_path, monkeypatch):
    """By git, or by DVC through the .dvc file of a folder."""
    project = tmp_path / "project"
    for name in ("shared/x.csv", "shared/y.csv", "big/z.csv", "big.dvc", "project/a.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text\n")
    tracked = "git add shared/x.csv big.dvc project/a.csv"
    for command in ("git init -q", *USER, tracked, "git commit -q -m files"):
        run(tmp_path, command)
    names = ["../shared/x.csv", "../shared/y.csv", "../big/z.csv", "a.csv"]
    none = SimpleNamespace(files={}, synonym_files={})
    files = SimpleNamespace(files=dict(enumerate(names)))
    parameters = SimpleNamespace(data=files, model=none, code={}, tokenize=none)
    monkeypatch.chdir(project)
    assert workspace.untracked_files("HEAD", parameters) == ["../shared/y.csv"]


def test_a_path_may_have_letters_that_are_not_ascii(tmp_path, monkeypatch):
    """DVC cannot write such a path into its configuration, and a worktree has the root's cache."""
    root = tmp_path / "jörg"
    root.mkdir()
    monkeypatch.chdir(root)
    make_result(root)
    folder = workspace.create(root, root / "sweeps/s/worker-0", "HEAD", "HEAD")
    monkeypatch.chdir(folder)
    with workspace.open_repo(root) as repo:
        assert Path(repo.cache.local_cache_dir).resolve() == root / ".dvc/cache"
    assert Path("model").read_text() == "1\n"
