"""A scratch folder is gone in the end, also if its process is killed."""

import fcntl
import os
from pathlib import Path, PurePosixPath

import pytest

from temper.core import scratch
from tests.helpers.workspace import ROOT


def test_what_a_killed_run_left_is_removed(tmp_path):
    """Not the folder of a run that holds its lock, of another machine, or another one."""
    here = f"{scratch.PREFIX}{scratch.HOST}"
    kept = [f"{here}-alive", "tmp-other", f"{scratch.PREFIX}0-dead"]
    for name in (f"{here}-dead", *kept):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".lock").touch()
    with (tmp_path / kept[0] / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        scratch.remove_leftovers(tmp_path, scratch.PREFIX)
    assert sorted(os.listdir(tmp_path)) == sorted(kept)


@pytest.mark.parametrize("disk", ["", "data/"])
def test_git_ignores_what_a_killed_run_left(disk):
    """Beside data/, or where data/ would be."""
    place = f"{disk}{scratch.PREFIX}dead/"
    lines = (ROOT / ".gitignore").read_text().splitlines()
    assert any(PurePosixPath(f"/{place}").match(line) for line in lines)


def test_a_folder_that_another_run_removes_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    """Which takes it for one of a run that was killed."""
    monkeypatch.chdir(tmp_path)
    lock, others = fcntl.flock, [scratch.remove_leftovers]

    def lock_late(file, operation):
        if operation == fcntl.LOCK_EX and others:
            others.pop()(Path(), scratch.PREFIX)
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    with scratch.scratch_folder() as folder:
        assert not others
        assert (folder / ".lock").exists()
    assert not os.listdir(tmp_path)
