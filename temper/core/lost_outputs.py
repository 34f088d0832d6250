"""A stage that failed → how to get the outputs of its last run back.

DVC removes the outputs of a stage before it runs it, and tells the stage its name in `DVC_STAGE`.
"""

import os
import subprocess
import sys
from pathlib import Path

import yaml

LOCK = Path("dvc.lock")


def describe() -> str | None:
    """Return a sentence with the command; None where nothing is lost or DVC does not have it.

    Of several processes that train together, only the main one says it.
    """
    stage = os.environ.get("DVC_STAGE")
    if stage is None or os.environ.get("RANK", "0") != "0":
        return None
    try:
        stages = yaml.safe_load(LOCK.read_text(encoding="utf-8"))["stages"]
        outs = [out for out in stages[stage]["outs"] if not Path(out["path"]).exists()]
        command = [sys.executable, "-m", "dvc", "cache", "dir"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        cache = Path(done.stdout.strip(), "files", "md5")
        if not outs or not all((cache / o["md5"][:2] / o["md5"][2:]).exists() for o in outs):
            return None
    except (OSError, KeyError, TypeError, yaml.YAMLError, subprocess.SubprocessError):
        return None  # a hint must not hide the error
    names = ", ".join(out["path"] for out in outs)
    return f"DVC removed {names} before this run; to restore the last: dvc checkout {stage}"
