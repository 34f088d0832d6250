"""params.yaml as its user left it: DVC rewrites it for a moment to queue an experiment.

`dvc exp run --queue -S …`, and `--temp` too, put the experiment's values into the file, stash them
and restore it, all within a second. A stage that read it meanwhile would run with them.
"""

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

LOCKS = Path(".dvc/tmp/exps/rwlock")  # DVC's, of experiments: what is locked, and by whom
WORKSPACE = "workspace"  # is locked for writing while an experiment is queued
POLL_S, PATIENCE_S = 0.05, 30.0


def read_text(path: Path) -> str:
    """Read a file beside .dvc once DVC leaves the workspace alone, which is waited for."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        text = _read_or_wait(path, time.monotonic() < deadline)
        if text is not None:
            return text
        time.sleep(POLL_S)


def _read_or_wait(path: Path, is_patient: bool) -> str | None:
    """Return the text; None while DVC queues an experiment, if there is time to wait."""
    locks = path.parent / LOCKS
    if is_patient and writer(locks) is not None:
        return None
    text = path.read_text(encoding="utf-8")
    if (pid := writer(locks)) is None:  # DVC locks before it writes
        return text
    if is_patient:
        return None
    print(f"{path}: DVC (process {pid}) locks it for long, see {locks}", file=sys.stderr)
    return text


def writer(locks: Path) -> int | None:
    """Return the process that queues an experiment; None where there is none."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        pid = json.loads(locks.read_text(encoding="utf-8"))["write"][WORKSPACE]["pid"]
        os.kill(pid, 0)  # nothing is sent: an error says that it has ended
        return pid
    return None
