"""What a repository cannot start is said before any trial."""

import shutil
from pathlib import Path

import pytest

from temper.cli import sweep
from temper.core.errors import InputError
from temper.sweep import start
from tests.helpers import sweeps
from tests.helpers.repository import USER, run, set_params
from tests.helpers.studies import loaded


def make_repository(folder):
    """Make a git repository with one commit and an identity of its own."""
    folder.mkdir()
    for command in ("git init -q", *USER, "git commit -q --allow-empty -m first"):
        run(folder, command)
    return folder


@pytest.mark.parametrize("who", ["AUTHOR", "COMMITTER"])
def test_needs_a_name_to_commit_trials_as(tmp_path, monkeypatch, who):
    """Git takes either from a variable of its own."""
    found, _ = loaded(tmp_path)
    monkeypatch.chdir(make_repository(tmp_path / "mine"))
    Path(".dvc").mkdir()
    Path("dvc.yaml").touch()
    start.check_workspace(found)
    monkeypatch.setenv(f"GIT_{who}_NAME", "")
    with pytest.raises(InputError, match=f"GIT_{who}_IDENT .*empty ident name"):
        start.check_workspace(found)


def test_pruning_needs_a_tracker(tmp_path, monkeypatch):
    """The error comes before any trial."""
    found, _ = loaded(tmp_path, prune={"after_trials": 1, "after_evaluations": 0})
    monkeypatch.chdir(make_repository(tmp_path / "mine"))
    Path(".dvc").mkdir()
    with pytest.raises(InputError, match="not a DVC repository"):
        start.check_workspace(found)
    Path("dvc.yaml").touch()
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    with pytest.raises(InputError, match="prune needs the scores that training records"):
        start.check_workspace(found)


def test_a_submodule_is_refused(tmp_path, monkeypatch):
    """DVC takes a worktree of one for outside of its repository, with each trial."""
    inner, outer = (make_repository(tmp_path / name) for name in ("inner", "outer"))
    run(outer, f"git -c protocol.file.allow=always submodule --quiet add {inner} sub")
    monkeypatch.chdir(outer / "sub")
    Path(".dvc").mkdir()
    Path("dvc.yaml").touch()
    for command in USER:
        run(outer / "sub", command)
    found, _ = loaded(tmp_path)
    with pytest.raises(InputError, match=f"this is a submodule of {outer}, in whose worktrees"):
        start.check_workspace(found)
    monkeypatch.chdir(inner)
    Path(".dvc").mkdir()
    Path("dvc.yaml").touch()
    start.check_workspace(found)


@pytest.mark.slow
def test_refuses_sweeps_that_the_repository_cannot_run(repository, monkeypatch):
    """An unknown metric, an untracked file, another plan and a used name leave nothing behind."""
    monkeypatch.chdir(repository)
    monkeypatch.setenv("TEMPER_TRACKING", "off")

    def refused(message):
        with pytest.raises(InputError, match=message):
            sweep.sweep()

    sweeps.write(repository, objective="validation.acuracy")
    refused(r"sweep\.yaml:3: objective: .*no metric 'acuracy' \(did you me")
    assert not (repository / "sweeps").exists()
    (repository / "mine.csv").write_text("sentence1,sentence2,label\n")
    set_params(repository, data__files={"train": "mine.csv"})
    sweeps.write(repository, budget={"trials": 1})
    refused("git does not track mine.csv, and a trial has only tracked files")
    run(repository, "git add mine.csv")
    assert "1 finished" in sweeps.sweep(repository)
    sweeps.write(repository, seed=5, method="tpe")
    refused("was started with another method, seed: give this")
    sweeps.write(repository, budget={"trials": 1})
    with start.try_lock(repository / "sweeps/s/lock"):
        refused("the sweep s is already running in this clone")
    shutil.rmtree(repository / "sweeps")
    refused("experiments s-0 … of an earlier")
    sweeps.write(repository, name="t", storage="nonsense")
    refused("storage nonsense: ")
