"""Stop trainings and their launchers: each writes a checkpoint first, and nothing is left over."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

RETRY_S = 2.0  # a parent becomes a leaf once its children have ended, and is asked next time
PATIENCE_S = 60.0  # how long a training may take to write its checkpoint


def leaves(pid: int) -> list[psutil.Process]:
    """Return the descendants of `pid` without children: the trainings, not their launchers."""
    with suppress(psutil.Error):
        descendants = psutil.Process(pid).children(recursive=True)
        parents = set()
        for process in descendants:
            with suppress(psutil.Error):
                parents.add(process.ppid())
        return [process for process in descendants if process.pid not in parents]
    return []


def request_stop(pid: int) -> None:
    """Send SIGTERM to the trainings below a process: each writes a checkpoint and ends."""
    for process in leaves(pid):
        with suppress(psutil.Error):
            process.terminate()


def stop_descendants(pid: int, patience_s: float = PATIENCE_S) -> None:
    """Stop everything below a process; kill what has not ended after `patience_s` seconds."""
    descendants: list[psutil.Process] = []
    with suppress(psutil.Error):
        descendants = psutil.Process(pid).children(recursive=True)
    deadline = time.monotonic() + patience_s
    while descendants and time.monotonic() < deadline:
        request_stop(pid)
        _, descendants = psutil.wait_procs(descendants, timeout=RETRY_S)
    for process in descendants:
        with suppress(psutil.Error):
            process.kill()


def stop_descendants_on_sigterm() -> None:
    """Make SIGTERM end this process only after its descendants."""

    def end(*_: Any) -> None:
        stop_descendants(os.getpid())
        sys.stdout.flush()
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)


def kill_in(folder: Path) -> None:
    """Kill the processes that work in a folder: a killed sweep left them."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and Path(process.cwd()).is_relative_to(folder):
                process.kill()


def wait_or_kill(processes: Iterable[subprocess.Popen], patience_s: float) -> None:
    """Wait for processes to end; kill those still running after `patience_s` seconds in all."""
    deadline = time.monotonic() + patience_s
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except Exception:
            process.kill()
            process.wait()
