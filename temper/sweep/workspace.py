"""A repository → a workspace for trials: a git worktree with the code as the sweep began with it.

It lies in `sweeps/<name>/worker-<i>`, shares git's objects and DVC's cache with the repository, and
a trial is committed there as an experiment of the repository.
"""

import io
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from temper import params
from temper.core import yaml_file
from temper.core.errors import InputError
from temper.sweep import space

STAGE = "train"  # a trial goes this far
LOCK = "dvc.lock"
HASHED = "dvc: commit experiment"  # how DVC begins the message of an experiment's commit


def git(folder: Path, *words: str, **more: Any) -> str:
    """Return what a git command prints.

    Raises:
        InputError: it fails; says what git says.
    """
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, **more)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise InputError(f"git {' '.join(words[:3])} in {folder}: {said}")
    return done.stdout.strip()


def snapshot(root: Path) -> tuple[str, str]:
    """Return the current commit and one that also has what is changed and not committed.

    They are the same where nothing is. Nothing in the workspace changes.
    """
    head = git(root, "rev-parse", "HEAD")
    return head, git(root, "stash", "create") or head


def keep(root: Path, name: str, commit: str) -> None:
    """Keep git from collecting the commit a sweep began with."""
    git(root, "update-ref", f"refs/temper/sweeps/{name}", commit)


def has(root: Path, commit: str) -> bool:
    command = ["git", "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(command, cwd=root, capture_output=True).returncode == 0


def unknown_files(root: Path, commit: str, parameters: params.Params) -> list[str]:
    """Return local files that the parameters name and the commit does not have."""
    named = [*parameters.data.files.values(), *parameters.model.files.values()]
    named += [*parameters.code.values(), *parameters.tokenize.synonym_files.values()]
    found = []
    for path in named:
        if os.path.isabs(path) or not (root / path).exists():
            continue
        tracked = git(root, "ls-tree", "-r", "--name-only", commit, "--", path, f"{path}.dvc")
        parents = [f"{parent}.dvc" for parent in Path(path).parents if parent.name]
        if not tracked and not (parents and git(root, "ls-tree", commit, "--", *parents)):
            found.append(path)
    return found


def make(root: Path, folder: Path, baseline: str, commit: str) -> Path:
    """Make a worktree of the commit on top of the baseline, anew; return where its dvc.yaml is."""
    remove(root, folder)
    git(root, "worktree", "add", "--quiet", "--detach", "--force", str(folder), baseline)
    git(folder, "read-tree", "-u", "--reset", commit)
    return folder / git(root, "rev-parse", "--show-prefix")


def remove(root: Path, folder: Path) -> None:
    """Remove a worktree, whatever is left of it."""
    shutil.rmtree(folder, ignore_errors=True)
    git(root, "worktree", "prune")


def connect(root: Path, workspace: Path) -> Any:
    """Return DVC's repository in a workspace: its cache is the root's, its outputs are in place.

    What comes after training is forgotten: the scores of an earlier model are none of a trial's.
    """
    from dvc.repo import Repo

    local: Any
    config: Any
    with Repo(str(root)) as original:
        cache, config = original.cache.local_cache_dir, original.config.read("local")
    with Repo(str(workspace)) as found:
        with found.config.edit("local") as local:
            local["cache"] = config.get("cache", {}) | {"dir": os.path.abspath(cache)}
            local["core"] = {"analytics": False, "autostage": False}
        forget_others(
            workspace / LOCK, [s.addressing for s in found.stage.collect(STAGE, with_deps=True)]
        )
    repo = Repo(str(workspace))
    repo.checkout(force=True, allow_missing=True)
    return repo


def forget_others(lock: Path, stages: list[str]) -> None:
    """Keep only some stages in a dvc.lock."""
    if lock.exists():
        content = yaml.load(lock.read_text(encoding="utf-8"), Loader=yaml_file.Loader) or {}
        known = {k: v for k, v in content.get("stages", {}).items() if k in stages}
        text = yaml.safe_dump({"schema": "2.0", "stages": known}, sort_keys=False)
        lock.write_text(text, encoding="utf-8")


def edited(text: str, values: dict[str, Any]) -> str:
    """Return a params.yaml with dotted keys set; comments and the order of its keys stay."""
    from ruamel.yaml import YAML

    editor = YAML()
    editor.preserve_quotes, editor.width = True, 10_000
    editor.indent(mapping=2, sequence=4, offset=2)
    editor.representer.add_representer(type(None), represent_null)
    tree = editor.load(text)
    space.set_values(tree, values)
    written = io.StringIO()
    editor.dump(tree, written)
    return written.getvalue()


def represent_null(representer: Any, _: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def commit_experiment(workspace: Path, baseline: str, name: str) -> str:
    """Make the workspace an experiment of the baseline; return its commit.

    As `dvc exp save` does, without its references below refs/exps/exec: worktrees share those, and
    two workers that save at once would take each other's (ADR 14).
    """
    git(workspace, "add", "--update")
    git(workspace, "add", "--force", LOCK)
    tree = git(workspace, "write-tree")
    commit = git(workspace, "commit-tree", tree, "-p", baseline, "-m", f"{HASHED} {tree}")
    git(workspace, "update-ref", ref_of(baseline, name), commit)
    return commit


def ref_of(baseline: str, name: str) -> str:
    """Return the reference by which DVC knows an experiment."""
    from dvc.repo.experiments.refs import ExpRefInfo

    return str(ExpRefInfo(baseline, name))


def experiments(root: Path, sweep: str) -> list[str]:
    """Return the experiments of a sweep that git knows, whatever their baseline."""
    refs = git(root, "for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
    names = [ref.rsplit("/", 1)[1] for ref in refs]
    return [n for n in names if n.rpartition("-")[0] == sweep and n.rpartition("-")[2].isdecimal()]
