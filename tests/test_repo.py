"""DVC runs for the commands, and ends with them."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from temper import repo

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of the parent")


def write_dvc(folder, script):
    """Write a command `dvc`."""
    tool = folder / "dvc"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def is_alive(process):
    """Check whether a process runs; one that has ended stays where process 1 reaps none."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_dvc_ends_with_the_command_that_is_killed(tmp_path):
    """Else it would train on, and its locks would refuse the next `temper best`."""
    write_dvc(tmp_path, "echo $$\nexec sleep 600")
    code = "from temper import repo; repo.with_own_tools = dict; repo.dvc('repro')"
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        found = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    deadline = time.monotonic() + 60
    while is_alive(found) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(found), found.kill()


def test_dvc_runs_where_process_1_is_temper(tmp_path, monkeypatch):
    """As in a container of a cluster that sets WORLD_SIZE: no launcher has died there."""
    write_dvc(tmp_path, "exit 3")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setattr(repo, "with_own_tools", dict)
    monkeypatch.setattr(os, "getppid", lambda: 1)  # as the child sees it
    assert repo.dvc("repro") == 3
