"""A stage reads params.yaml as its user left it, also while DVC queues an experiment."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc.repo.experiments.utils import get_exp_rwlock

from temper.core import settled, yaml_file

EDITED, OWN = "train: {epochs: 9}\n", "train: {epochs: 1}\n"


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A params.yaml in a DVC repository."""
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    Path("params.yaml").write_text(OWN)
    return Path("params.yaml")


def lock(pid):
    settled.LOCKS.parent.mkdir(parents=True, exist_ok=True)
    settled.LOCKS.write_text(json.dumps({"write": {"workspace": {"pid": pid, "cmd": "dvc"}}}))


def test_waits_until_dvc_has_restored_the_file(file):
    """The lock is DVC's own, as `dvc exp run --queue` holds it."""
    with Repo() as repo, get_exp_rwlock(repo, writes=["workspace", "refs/exps/stash"]):
        file.write_text(EDITED)
        found = []
        reader = threading.Thread(target=lambda: found.append(yaml_file.load(file)))
        reader.start()
        time.sleep(4 * settled.POLL_S)
        assert reader.is_alive()
        file.write_text(OWN)
    reader.join(settled.PATIENCE_S)
    assert found == [{"train": {"epochs": 1}}]


def test_a_lock_that_comes_while_the_file_is_read_makes_it_read_again(file, monkeypatch):
    """Before and after: DVC locks, and then writes."""
    answers = iter([None, 1, None, None])
    monkeypatch.setattr(settled, "writer", lambda _: next(answers))
    assert settled.read_text(file) == OWN
    assert next(answers, "none left") == "none left"


def test_a_lock_whose_owner_has_ended_is_none(file):
    """As of a `dvc exp run --queue` that was killed: what it left in the file is what counts."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    lock(done.pid)
    start = time.monotonic()
    assert settled.read_text(file) == OWN
    assert time.monotonic() - start < settled.PATIENCE_S / 2


@pytest.mark.parametrize("content", ["", "[]", '{"write": {}}', '{"write": {"workspace": 7}}'])
def test_another_content_of_the_lock_file_is_none(file, content):
    lock(1)
    settled.LOCKS.write_text(content)
    assert settled.read_text(file) == OWN


def test_a_lock_that_stays_is_named(file, monkeypatch, capsys):
    """A number of a process may be another one's by now."""
    monkeypatch.setattr(settled, "PATIENCE_S", 0.1)
    lock(os.getpid())
    assert settled.read_text(file) == OWN
    assert f"params.yaml: DVC (process {os.getpid()}) locks it for" in capsys.readouterr().err
