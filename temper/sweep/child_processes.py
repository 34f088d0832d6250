"""Trainings and what started them → an orderly end: a checkpoint first, and nothing left over."""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

AGAIN_S = 2.0  # a process that had a child of its own is asked when that has ended
PATIENCE_S = 60.0  # how long a training has to write its checkpoint


def leaves(pid: int) -> list[Any]:
    """Return the processes below `pid` that have no children: what trains, not what started it."""
    import psutil

    with suppress(psutil.Error):
        below = psutil.Process(pid).children(recursive=True)
        parents = set()
        for process in below:
            with suppress(psutil.Error):
                parents.add(process.ppid())
        return [process for process in below if process.pid not in parents]
    return []


def ask_to_stop(pid: int) -> None:
    """Send SIGTERM to what trains below a process: it writes a checkpoint and ends."""
    import psutil

    for process in leaves(pid):
        with suppress(psutil.Error):
            process.terminate()


def stop_below(pid: int, patience_s: float = PATIENCE_S) -> None:
    """Stop everything below a process; kill what has not ended after a while."""
    import psutil

    below: list[Any] = []
    with suppress(psutil.Error):
        below = psutil.Process(pid).children(recursive=True)
    deadline = time.monotonic() + patience_s
    while below and time.monotonic() < deadline:
        ask_to_stop(pid)
        _, below = psutil.wait_procs(below, timeout=AGAIN_S)
    for process in below:
        with suppress(psutil.Error):
            process.kill()


def stop_with_children() -> None:
    """Let SIGTERM end this process only after what it started."""

    def end(*_: Any) -> None:
        stop_below(os.getpid())
        sys.stdout.flush()
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)


def kill_in(folder: Path) -> None:
    """Kill what still works in a folder: left by a sweep that was killed."""
    import psutil

    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and Path(process.cwd()).is_relative_to(folder):
                process.kill()


def wait_for(processes: list[Any], patience_s: float) -> None:
    """Wait for `subprocess.Popen`s to end; kill those that do not."""
    deadline = time.monotonic() + patience_s
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except Exception:
            process.kill()
            process.wait()
