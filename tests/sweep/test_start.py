"""What a repository cannot start is said before any trial."""

import re

import pytest

from temper.core.errors import InputError
from temper.sweep import start
from tests.helpers import sweeps
from tests.helpers.repository import run, set_params
from tests.helpers.studies import loaded
from tests.helpers.workspace import ROOT


def test_pruning_needs_a_tracker(tmp_path, monkeypatch):
    """The error comes before any trial."""
    found, _ = loaded(tmp_path, prune={"after_trials": 1, "after_evaluations": 0})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="not a DVC repository"):
        start.check_workspace(found)
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    with pytest.raises(InputError, match="prune needs the scores that training records"):
        start.check_workspace(found)


@pytest.mark.slow
def test_refuses_sweeps_that_the_repository_cannot_run(repository):
    """An unknown metric, an untracked file, another plan and a used name leave nothing behind."""
    sweeps.write(repository, objective="validation.acuracy")
    text = sweeps.sweep(repository, status=1)
    assert re.search(r"sweep\.yaml:3: objective: .*no metric 'acuracy' \(did you me", text)
    assert not (repository / "sweeps").exists()
    (repository / "mine.csv").write_text("sentence1,sentence2,label\n")
    set_params(repository, data__files={"train": "mine.csv"})
    sweeps.write(repository, budget={"trials": 1})
    text = sweeps.sweep(repository, status=1)
    assert "error: git does not track mine.csv, and a trial has only tracked files" in text
    run(repository, "git add mine.csv")
    assert "1 finished" in sweeps.sweep(repository)
    sweeps.write(repository, seed=5, method="tpe")
    assert "was started with another method, seed: give this" in sweeps.sweep(repository, status=1)
    with (repository / "sweeps/s/lock").open() as handle:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)
        sweeps.write(repository, budget={"trials": 1})
        assert "the sweep s is already running in this clone" in sweeps.sweep(repository, status=1)
    run(repository, "rm -r sweeps")
    assert "experiments s-0 … of an earlier" in sweeps.sweep(repository, status=1)
    sweeps.write(repository, name="t", storage="nonsense")
    assert "error: storage nonsense: " in sweeps.sweep(repository, status=1)
