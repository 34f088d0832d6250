"""An exported folder → the commit whose dvc.lock has these bytes: `temper verify --of FOLDER`."""

import hashlib
import json
import shlex
from pathlib import Path

from temper import repo
from temper.core.errors import InputError


def commit_of(folder: Path) -> tuple[str, str]:
    """Return the first commit whose dvc.lock has a folder of these bytes, and its one-line log.

    All branches, tags and DVC experiments are searched.

    Raises:
        InputError: it is no folder, or no commit has it.
    """
    if not folder.is_dir():
        raise InputError(f"--of {folder}: no such folder; give one that a stage wrote, as exported")
    found = repo.git(
        "log", "--all", "--reverse", f"-S{folder_hash(folder)}",
        "--format=%H %h, %cs: %s", "--", f"./{repo.LOCK}",
    )  # fmt: skip
    if not found:
        raise InputError(
            f"--of {folder}: no commit's {repo.LOCK} has a folder of these bytes; if a file was "
            "changed or added after export, restore it; else git fetch --all, or the result was "
            "never committed"
        )
    commit, _, line = found.splitlines()[0].partition(" ")
    return commit, line


def folder_hash(folder: Path) -> str:
    """Return the hash of a folder in dvc.lock: that of the list of its files' hashes."""
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    files = [
        {"md5": _md5(path), "relpath": name}
        for name, path in sorted(paths.items())
        if path.is_file()
    ]
    return hashlib.md5(json.dumps(files, sort_keys=True).encode()).hexdigest() + ".dir"


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def show(folder: Path) -> None:
    """Print the commit, and the commands that bring its data and parameters and build it again."""
    commit, line = commit_of(folder)
    short, cache = commit[:7], shlex.quote(str(repo.dvc_cache()))
    print(
        f"{folder} is of commit {line}",
        f"git worktree add --detach ../{short} {short} && cd ../{short}   # code, params.yaml",
        "dvc pull                     # data and models, from a remote; from this clone's cache:",
        f"                             # dvc cache dir --local {cache} && dvc checkout",
        "make setup && .venv/bin/temper verify      # the same bytes again?",
        sep="\n",
    )
