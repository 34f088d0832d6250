"""Git worktrees for trials, with the code as it was when the sweep started.

A worktree is in `sweeps/<name>/worker-<i>`; it shares git's objects and DVC's cache with the
repository, and a trial is committed there as an experiment of the repository.
"""

import io
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from ruamel.yaml import YAML

from temper import params
from temper.core import yaml_file
from temper.repo import LOCK, git, try_git
from temper.sweep import space

if TYPE_CHECKING:
    from dvc.repo import Repo

STAGE = "train"  # the last stage of a trial
COMMIT_MESSAGE = "dvc: commit experiment"  # how DVC's messages of experiment commits begin


def has_commit(commit: str) -> bool:
    return try_git("cat-file", "-e", f"{commit}^{{commit}}") is not None


def untracked_files(commit: str, parameters: params.Params) -> list[str]:
    """List the local files that the parameters name, and neither the commit nor DVC has."""
    named = [*parameters.data.files.values(), *parameters.model.files.values()]
    named += [*parameters.code.values(), *parameters.tokenize.synonym_files.values()]
    tracked = set(git("ls-tree", "-r", "-t", "-z", "--name-only", commit).split("\0"))

    def is_tracked(path: str) -> bool:
        if ".." in Path(path).parts:  # not below the current folder, which git lists
            return try_git("cat-file", "-e", f"{commit}:./{path}") is not None
        return path in tracked

    return [
        str(path)
        for path in map(Path, named)
        if not path.is_absolute() and path.exists() and not is_tracked(str(path))
        if not any(is_tracked(f"{folder}.dvc") for folder in (path, *path.parents))
    ]


def create(root: Path, folder: Path, baseline: str, commit: str) -> Path:
    """Create a worktree of the commit on top of the baseline; return where its dvc.yaml is."""
    remove(root, folder)
    git("worktree", "add", "--quiet", "--detach", "--force", str(folder), baseline, cwd=root)
    git("read-tree", "-u", "--reset", commit, cwd=folder)
    return folder / git("rev-parse", "--show-prefix", cwd=root)


def remove(root: Path, folder: Path) -> None:
    """Remove a worktree, or what is left of it."""
    shutil.rmtree(folder, ignore_errors=True)
    git("worktree", "prune", cwd=root)


def open_repo(root: Path) -> "Repo":
    """Open DVC in the current folder, with the cache of the root and its outputs checked out.

    Stages after training are dropped from its dvc.lock: the scores of an earlier model do not
    belong to a trial.
    """
    from dvc.repo import Repo  # a second that only workers need to spend

    local: Any
    config: Any
    with Repo(str(root)) as original:
        cache, config = original.cache.local_cache_dir, original.config.read("local")
    with Repo() as repo:
        with repo.config.edit("local") as local:
            # relative: DVC cannot write a path that is not ASCII
            local["cache"] = config.get("cache", {}) | {"dir": os.path.relpath(cache)}
            local["core"] = {"analytics": False, "autostage": False}
        stages = [stage.addressing for stage in repo.stage.collect(STAGE, with_deps=True)]
    if LOCK.exists():
        locked = yaml_file.load(LOCK)["stages"]
        kept = {name: stage for name, stage in locked.items() if name in stages}
        text = yaml.safe_dump({"schema": "2.0", "stages": kept}, sort_keys=False)
        LOCK.write_text(text, encoding="utf-8")
    repo = Repo()
    repo.checkout(force=True, allow_missing=True)
    return repo


def edit_params(text: str, values: dict[str, Any]) -> str:
    """Set dotted keys in the text of a params.yaml; its comments and the order of keys stay."""
    editor = YAML()
    editor.preserve_quotes, editor.width = True, 10_000
    editor.indent(mapping=2, sequence=4, offset=2)
    editor.representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    tree = editor.load(text)
    space.set_values(tree, values)
    written = io.StringIO()
    editor.dump(tree, written)
    return written.getvalue()


def commit_experiment(baseline: str, name: str) -> str:
    """Commit the current folder as an experiment of the baseline; return the commit.

    As `dvc exp save` does, without its references below refs/exps/exec: worktrees share those, and
    two workers that save at the same time would take each other's (ADR 14).
    """
    from dvc.repo.experiments.refs import ExpRefInfo

    git("add", "--update")
    git("add", "--force", str(LOCK))
    tree = git("write-tree")
    message = f"{COMMIT_MESSAGE} {tree}"
    commit = git("commit-tree", tree, "-p", baseline, "-m", message)
    git("update-ref", str(ExpRefInfo(baseline, name)), commit)
    return commit
