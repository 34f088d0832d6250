"""What git and DVC know of this repository: the committed lock file, and how two of them differ."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from temper.core.errors import InputError

LOCK = Path("dvc.lock")
CAUSES_SHOWN = 4


def check_repository() -> None:
    """Refuse a folder that is no DVC repository.

    Raises:
        InputError: it is none.
    """
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo

    try:
        Repo.find_root()  # without one, DVC's functions would clone a repository
    except NotDvcRepoError:
        raise InputError("this is no DVC repository; run it where dvc.yaml is") from None


def lock_verdict() -> str:
    """Say whether the outputs are those of the committed dvc.lock, or which stages differ."""
    try:
        committed = subprocess.run(
            ["git", "show", f"HEAD:./{LOCK}"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "none is committed: commit dvc.lock to hold this result"
    before, now = yaml.safe_load(committed), yaml.safe_load(LOCK.read_text(encoding="utf-8"))
    differing = differing_stages(before["stages"], now["stages"])
    if not differing:
        return "met: the same bytes as the committed dvc.lock"
    return "\n           ".join(["differs from the committed dvc.lock:", *differing])


def differing_stages(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return for each stage whose outputs differ what else changed about it.

    Args:
        before: `stages` of one dvc.lock.
        now: `stages` of another.
    """
    found = []
    for name in sorted(before.keys() | now.keys()):
        if name not in before or name not in now:
            found.append(f"{name} is {'new' if name in now else 'gone'}")
        elif hashes(before[name], "outs") != hashes(now[name], "outs"):
            causes = changed(hashes(before[name], "deps"), hashes(now[name], "deps"))
            causes += changed(leaves(before[name]), leaves(now[name]))
            shown = ", ".join(causes[:CAUSES_SHOWN])
            more = f" and {len(causes) - CAUSES_SHOWN} more" if len(causes) > CAUSES_SHOWN else ""
            found.append(
                f"{name}: after a change of {shown}{more}"
                if causes
                else f"{name}: with the same inputs, so the machine or the libraries differ"
            )
    return found


def hashes(stage: dict[str, Any], kind: str) -> dict[str, str]:
    """Return the md5 of a locked stage's `deps` or `outs` by path."""
    return {item["path"]: item.get("md5", "") for item in stage.get(kind, [])}


def leaves(stage: dict[str, Any]) -> dict[str, Any]:
    """Return a locked stage's parameters by dotted key."""
    found: dict[str, Any] = {}
    waiting = [("", values) for values in stage.get("params", {}).values()]
    while waiting:
        prefix, values = waiting.pop()
        for key, value in values.items():
            if isinstance(value, dict):
                waiting.append((f"{prefix}{key}.", value))
            else:
                found[prefix + key] = value
    return found


def changed(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the names whose values differ, or that only one of the two has, sorted."""
    return sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
