"""Stop trainings and their launchers: each writes a checkpoint first, and nothing is left over."""

import os
import signal
import time
from contextlib import suppress
from typing import Any

import psutil

from temper.tracking import sender

RETRY_S = 2.0  # a parent becomes a leaf once its children have ended, and is asked next time
PATIENCE_S = 60.0  # how long a training may take to write its checkpoint


def descendants(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


def request_stop(pid: int) -> None:
    """Send SIGTERM to the trainings below a process: each writes a checkpoint and ends.

    They have no children but the process that sends their records, which ends with them; their
    launchers have, and would end without them.
    """
    processes, parents = [], set()
    for process in descendants(pid):
        with suppress(psutil.Error):
            if sender.PROGRAM not in process.cmdline():
                processes.append(process)
                parents.add(process.ppid())
    for process in processes:
        with suppress(psutil.Error):
            if process.pid not in parents:
                process.terminate()


def stop_descendants_on_sigterm() -> None:
    """Make SIGTERM end this process only after its descendants, or kill them after a minute."""

    def end(*_: Any) -> None:
        deadline, pid = time.monotonic() + PATIENCE_S, os.getpid()
        while (alive := descendants(pid)) and time.monotonic() < deadline:
            request_stop(pid)
            psutil.wait_procs(alive, timeout=RETRY_S)
        for process in descendants(pid):
            with suppress(psutil.Error):
                process.kill()
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
