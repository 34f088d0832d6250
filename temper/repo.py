"""Git and DVC on this repository: their commands, and how two versions of dvc.lock differ."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from temper.core import determinism, yaml_file
from temper.core.errors import InputError

LOCK = Path("dvc.lock")
FILES = "data/files/dataset"  # the hashes of the data's local files
FETCHES = ("download@", "zero_shot@", "translators@", "teachers@")  # stages that ask the Hub
OF_RUNS = ("DVC_", "MLFLOW_", "TEMPER_")  # variables of this repository's runs
MOST_OF_A_GROUP = 2  # causes of a difference between two lock files that are listed one by one


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


def separate_env() -> dict[str, str]:
    """Return the variables for a run apart from this repository's: without those of its runs."""
    return {name: v for name, v in os.environ.items() if not name.startswith(OF_RUNS)}


def dvc(*arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> int:
    """Run a dvc command, whose output goes where this process's goes; return its exit status.

    On Linux it ends with this process, and its stages with it: else DVC's locks would stop the next
    run.
    """
    command, env = ["dvc", *arguments], with_own_tools(os.environ if env is None else env)
    bound = determinism.set_parent_death_signal
    return subprocess.run(command, cwd=cwd, env=env, preexec_fn=bound).returncode


def dvc_cache() -> Path:
    """Return the folder of DVC's cache."""
    from dvc.repo import Repo

    with Repo() as opened:
        return Path(opened.cache.local_cache_dir).resolve()


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


def check_identity() -> None:
    """Refuse a user of whom git has no name to commit with, as author or as committer.

    Raises:
        InputError: a name or an address is missing.
    """
    for who in ("AUTHOR", "COMMITTER"):
        git("var", f"GIT_{who}_IDENT")


def check_top() -> None:
    """Refuse a DVC repository below git's own folder, in whose commits DVC finds none.

    Raises:
        InputError: it is one.
    """
    if Path(".dvc").is_dir() and (prefix := try_git("rev-parse", "--show-prefix")):
        raise InputError(
            f"DVC does not find its repository {prefix} in a commit (dvc init --subdir): to "
            "compare and verify, give it a git repository of its own; temper sweep works here"
        )


def changed_since_lock(path: str) -> list[str]:
    """List the files at or below a path that were committed after dvc.lock; [] for none."""
    lock_commit = try_git("log", "-1", "--format=%H", "--", str(LOCK))
    if not lock_commit:
        return []
    return (try_git("diff", "--name-only", lock_commit, "HEAD", "--", path) or "").splitlines()


def locked_stages(text: str | None = None, name: str = str(LOCK)) -> dict[str, Any]:
    """Return the stages of dvc.lock, or of its text, with parameters as DVC reads them.

    Raises:
        InputError: it is not YAML, as with marks of a merge conflict.
    """
    tree = yaml_file.parse(LOCK.read_text(encoding="utf-8") if text is None else text, name)
    return yaml_file.values(tree, name).get("stages") or {}


def changed_on_disk() -> list[str]:
    """List the outputs of dvc.lock that have other bytes on disk, or are not there, sorted.

    DVC's state database has the hashes of files that were not touched, so this takes a second.

    Raises:
        InputError: DVC cannot read the repository.
    """
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo

    locked = {path for stage in locked_stages().values() for path in hashes(stage, "outs")}
    try:
        with Repo() as opened:
            found = opened.data_status()["uncommitted"]
    except NotDvcRepoError:
        return []
    except DvcException as error:
        raise InputError(f"dvc data status: {error}") from error
    paths = [*found.get("modified", []), *found.get("deleted", [])]
    return sorted(locked & {path.rstrip("/") for path in paths})


def lock_verdict() -> str:
    """Say whether the outputs are those of the committed dvc.lock, or why they differ, in lines."""
    committed = try_git("show", f"HEAD:./{LOCK}")
    if committed is None:
        return "not committed: commit dvc.lock to record this result"
    if others := changed_on_disk():
        return (
            f"{', '.join(others)} on disk differ from dvc.lock, so the scores above may be of "
            "another run: dvc checkout restores the outputs of dvc.lock"
        )
    before, now = locked_stages(committed, f"{LOCK} of the current commit"), locked_stages()
    dataset = [hashes(stages.get("download@dataset", {}), "deps") for stages in (before, now)]
    if len({deps.get(FILES) for deps in dataset}) > 1:
        return "the committed one is of other data: commit dvc.lock to record this result"
    causes, unexplained = differences(before, now)
    if not causes and not unexplained:
        return "matches: the same bytes as the committed dvc.lock"
    lines = []
    if causes:
        lines.append(f"differs from the committed dvc.lock; changed: {', '.join(causes)}")
    if unexplained:
        hub = "a branch on the Hub, " * any(name.startswith(FETCHES) for name in unexplained)
        lines.append(
            f"outputs of {', '.join(unexplained)} differ from the committed dvc.lock with the same "
            f"inputs, so {hub}the machine or the libraries differ"
        )
    return "\n".join(lines)


def differences(before: dict[str, Any], now: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return why the outputs of two `stages` of dvc.lock differ.

    Returns: what changed of parameters, data, code and stages, where there is much of a group its
    name and count; and the stages whose outputs differ though nothing that they read does.
    """
    causes, unexplained = set(), []
    made = {path for stages in (before, now) for s in stages.values() for path in hashes(s, "outs")}
    for name in sorted(before.keys() | now.keys()):
        if name not in before or name not in now:
            causes.add(f"stage {name}")
        elif hashes(before[name], "outs") != hashes(now[name], "outs"):
            deps = changed(hashes(before[name], "deps"), hashes(now[name], "deps"))
            keys = changed(leaves(before[name]), leaves(now[name]))
            causes.update(keys, (path for path in deps if path not in made))
            if not deps and not keys:
                unexplained.append(name)
    return summarized(causes), unexplained


def summarized(causes: Iterable[str]) -> list[str]:
    """Return names in order; more than `MOST_OF_A_GROUP` that begin alike become one."""
    groups: dict[str, list[str]] = {}
    for cause in sorted(causes):
        groups.setdefault(re.split(r"[@./]", cause)[0], []).append(cause)
    return [
        name
        for group, names in groups.items()
        for name in (
            names if len(names) <= MOST_OF_A_GROUP else [f"{group} ({len(names)} changes)"]
        )
    ]


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


def cached_files(cache: Path, md5: str | None) -> dict[str, str] | None:
    """Return the md5 of each file of an output by its path below it; None where unknown."""
    if md5 is None:
        return {}
    if not cache_path(cache, md5).exists():
        return None
    if not md5.endswith(".dir"):
        return {"": md5}
    listing = cache_path(cache, md5).read_text(encoding="utf-8")
    return {f["relpath"]: f["md5"] for f in json.loads(listing)}


def cache_path(cache: Path, md5: str) -> Path:
    """Return the path of the bytes with this hash in DVC's cache."""
    return cache / "files/md5" / md5[:2] / md5[2:]
