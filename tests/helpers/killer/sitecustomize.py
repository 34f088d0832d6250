"""Kills its own process group at a planned moment; every Python process of a test loads it.

`KILL_AT` is JSON: `process` (a pattern of the command line) and either `seen` (a path) and `wait_s`
(how long after it is there), or `event` (a Python audit event) with `path` (a pattern of its first
argument), and optionally `exists`, a path that has to be there. `KILL_MARK` is a file that is
written first, so that the test knows.
"""

import glob
import json
import os
import re
import signal
import sys
import threading
import time

PLAN = json.loads(os.environ.get("KILL_AT", "{}"))


def kill() -> None:
    with open(os.environ["KILL_MARK"], "w") as file:
        file.write(" ".join(sys.orig_argv))
    os.killpg(0, signal.SIGKILL)


def wait() -> None:
    while not glob.glob(PLAN["seen"]):
        time.sleep(0.002)
    time.sleep(PLAN["wait_s"])
    kill()


def watch(event: str, arguments: tuple) -> None:
    if event != PLAN["event"] or not re.search(PLAN["path"], str(arguments[0])):
        return
    if event == "open" and not re.search("[wax+]", str(arguments[1] or "w")):
        return
    if "exists" not in PLAN or os.path.exists(PLAN["exists"]):
        kill()


if PLAN and re.search(PLAN["process"], " ".join(sys.orig_argv)):
    if "seen" in PLAN:
        threading.Thread(target=wait, daemon=True).start()
    else:
        sys.addaudithook(watch)
