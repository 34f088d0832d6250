"""Commands in process groups: started, killed at a planned moment, waited for."""

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil

from tests.helpers.repository import variables
from tests.helpers.waiting import LIMIT_S, wait_until
from tests.helpers.workspace import ROOT

KILLER = ROOT / "tests/helpers/killer"


def start(folder, command, **more):
    """Start a command in a process group of its own."""
    return subprocess.Popen(
        command.split(),
        cwd=folder,
        env=variables(folder, **more),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def killed_at(folder, moment, command="dvc repro --no-run-cache"):
    """Run a command until the planned kill -9 of its group; fail where none came."""
    mark = folder.parent / "mark"
    mark.unlink(missing_ok=True)
    path = f"{folder}:{KILLER}"
    if moment.get("seen", "").startswith("checkpoint"):
        moment = moment | {"seen": f"checkpoints/*/{moment['seen']}"}
    child = start(folder, command, KILL_AT=json.dumps(moment), KILL_MARK=str(mark), PYTHONPATH=path)
    assert child.wait(timeout=LIMIT_S) == -signal.SIGKILL, moment
    assert mark.exists(), moment


def wait_for_path(folder, pattern, child):
    """Wait until a path like `pattern` exists below `folder`, as long as `child` runs."""

    def check():
        assert child.poll() is None

    wait_until(lambda: any(folder.glob(pattern)), check)


def kill_once(folder, pattern, child, number=signal.SIGKILL):
    """Kill the group of `child` as soon as a path like `pattern` exists below `folder`."""
    wait_for_path(folder, pattern, child)
    os.killpg(child.pid, number)
    child.wait()


def processes_in(folder):
    """Return the processes that work in a folder or below it."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(folder) and process.status() != "zombie":
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def wait_for_none(folder):
    wait_until(lambda: not processes_in(folder))
