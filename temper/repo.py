"""Git and DVC on this repository: their commands, and how two versions of dvc.lock differ."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from temper.core.errors import InputError

LOCK = Path("dvc.lock")
FILES = "data/files/dataset"  # the hashes of the data's local files
NUM_CAUSES = 4  # of a difference between two lock files that are listed


def git(*arguments: str, cwd: Path | None = None) -> str:
    """Run a git command and return its output.

    Raises:
        InputError: it fails; the message holds what git printed.
    """
    env = os.environ | {"LC_ALL": "C"}  # `try_git` reads a message
    done = subprocess.run(["git", *arguments], cwd=cwd, env=env, capture_output=True, text=True)
    if done.returncode:
        output = " ".join((done.stderr or done.stdout).split())
        raise InputError(f"git {' '.join(arguments[:3])} in {cwd or Path.cwd()}: {output}")
    return done.stdout.rstrip("\n")


def try_git(*arguments: str, cwd: Path | None = None) -> str | None:
    """Run a git command and return its output; None where it fails or git is not installed.

    Raises:
        InputError: git refuses the repository because it belongs to another user.
    """
    try:
        return git(*arguments, cwd=cwd)
    except OSError:
        return None
    except InputError as error:
        if "dubious ownership" in str(error):  # no answer at all, and the message has the remedy
            raise
        return None


def with_own_tools(env: Mapping[str, str]) -> dict[str, str]:
    """Put this interpreter's folder first in PATH: DVC and the stages are started from there.

    It is not there where `temper` is called by its path and no environment is activated.
    """
    return dict(env) | {"PATH": f"{Path(sys.executable).parent}:{env.get('PATH', os.defpath)}"}


def dvc(*arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> int:
    """Run a dvc command, whose output goes where this process's goes; return its exit status."""
    env = with_own_tools(os.environ if env is None else env)
    return subprocess.run(["dvc", *arguments], cwd=cwd, env=env).returncode


def dvc_cache() -> Path:
    """Return the folder of DVC's cache."""
    command, env = ["dvc", "cache", "dir"], with_own_tools(os.environ)
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return Path(done.stdout.rstrip("\n")).resolve()


def check_repository() -> None:
    """Refuse a folder outside a DVC repository.

    Raises:
        InputError: there is no .dvc in it or above it.
    """
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo

    try:
        Repo.find_root()  # without one, DVC's functions would clone a repository
    except NotDvcRepoError:
        raise InputError("not a DVC repository; run this where dvc.yaml is") from None


def changed_since_lock(path: str) -> list[str]:
    """List the files at or below a path that were committed after dvc.lock; [] for none."""
    lock_commit = try_git("log", "-1", "--format=%H", "--", str(LOCK))
    if not lock_commit:
        return []
    return (try_git("diff", "--name-only", lock_commit, "HEAD", "--", path) or "").splitlines()


def lock_verdict() -> str:
    """Say whether the outputs are those of the committed dvc.lock, or which stages differ."""
    committed = try_git("show", f"HEAD:./{LOCK}")
    if committed is None:
        return "not committed: commit dvc.lock to record this result"
    before, now = yaml.safe_load(committed), yaml.safe_load(LOCK.read_text(encoding="utf-8"))
    dataset = [hashes(lock["stages"].get("download@dataset", {}), "deps") for lock in (before, now)]
    if len({deps.get(FILES) for deps in dataset}) > 1:
        return "the committed one is of other data: commit dvc.lock to record this result"
    differing = differing_stages(before["stages"], now["stages"])
    if not differing:
        return "matches: the same bytes as the committed dvc.lock"
    return "\n           ".join(["differs from the committed dvc.lock:", *differing])


def differing_stages(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """List the stages whose outputs differ, each with what else changed about it."""
    lines = []
    for name in sorted(before.keys() | now.keys()):
        if name not in before or name not in now:
            lines.append(f"{name}: {'added' if name in now else 'removed'}")
        elif hashes(before[name], "outs") != hashes(now[name], "outs"):
            causes = changed(hashes(before[name], "deps"), hashes(now[name], "deps"))
            causes += changed(leaves(before[name]), leaves(now[name]))
            listed = ", ".join(causes[:NUM_CAUSES])
            more = f" and {len(causes) - NUM_CAUSES} more" if len(causes) > NUM_CAUSES else ""
            lines.append(
                f"{name}: {listed}{more} changed"
                if causes
                else f"{name}: same inputs, so the machine or the libraries differ"
            )
    return lines


def hashes(stage: dict[str, Any], section: str) -> dict[str, str]:
    """Return the md5 of each path in a locked stage's `deps` or `outs`."""
    return {item["path"]: item.get("md5", "") for item in stage.get(section, [])}


def leaves(stage: dict[str, Any]) -> dict[str, Any]:
    """Flatten a locked stage's parameters to dotted keys."""
    from dvc.utils.flatten import flatten

    files = stage.get("params", {}).values()
    return {key: value for values in files for key, value in flatten(values).items()}


def changed(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """List the keys that were added, removed or have another value, sorted."""
    return sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
