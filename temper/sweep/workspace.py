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
from temper.repo import git, try_git
from temper.sweep import space

if TYPE_CHECKING:
    from dvc.repo import Repo

STAGE = "train"  # the last stage of a trial
LOCK = "dvc.lock"
COMMIT_MESSAGE = "dvc: commit experiment"  # how DVC's messages of experiment commits begin


def snapshot(root: Path) -> tuple[str, str]:
    """Return the current commit, and one that also has the uncommitted changes.

    They are the same where there are none. The workspace is left as it is.
    """
    head = git("rev-parse", "HEAD", cwd=root)
    return head, git("stash", "create", cwd=root) or head


def protect_commit(root: Path, name: str, commit: str) -> None:
    """Keep git from collecting the commit that a sweep started from."""
    git("update-ref", f"refs/temper/sweeps/{name}", commit, cwd=root)


def has_commit(root: Path, commit: str) -> bool:
    return try_git("cat-file", "-e", f"{commit}^{{commit}}", cwd=root) is not None


def untracked_files(root: Path, commit: str, parameters: params.Params) -> list[str]:
    """List the local files that the parameters name and the commit does not have."""
    named = [*parameters.data.files.values(), *parameters.model.files.values()]
    named += [*parameters.code.values(), *parameters.tokenize.synonym_files.values()]
    untracked = []
    for path in named:
        if os.path.isabs(path) or not (root / path).exists():
            continue
        listed = ("ls-tree", "-r", "--name-only", commit, "--", path, f"{path}.dvc")
        parents = [f"{parent}.dvc" for parent in Path(path).parents if parent.name]
        if not git(*listed, cwd=root) and not (
            parents and git("ls-tree", commit, "--", *parents, cwd=root)
        ):
            untracked.append(path)
    return untracked


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


def open_repo(root: Path, worktree: Path) -> "Repo":
    """Open DVC in a worktree, with the cache of the root and its outputs checked out.

    Stages after training are dropped from its dvc.lock: the scores of an earlier model do not
    belong to a trial.
    """
    from dvc.repo import Repo  # a second that only workers need to spend

    local: Any
    config: Any
    with Repo(str(root)) as original:
        cache, config = original.cache.local_cache_dir, original.config.read("local")
    with Repo(str(worktree)) as repo:
        with repo.config.edit("local") as local:
            local["cache"] = config.get("cache", {}) | {"dir": os.path.abspath(cache)}
            local["core"] = {"analytics": False, "autostage": False}
        stages = [stage.addressing for stage in repo.stage.collect(STAGE, with_deps=True)]
        keep_stages(worktree / LOCK, stages)
    repo = Repo(str(worktree))
    repo.checkout(force=True, allow_missing=True)
    return repo


def keep_stages(lock: Path, stages: list[str]) -> None:
    """Drop all stages but these from a dvc.lock."""
    if lock.exists():
        content = yaml.load(lock.read_text(encoding="utf-8"), Loader=yaml_file.Loader) or {}
        kept = {k: v for k, v in content.get("stages", {}).items() if k in stages}
        text = yaml.safe_dump({"schema": "2.0", "stages": kept}, sort_keys=False)
        lock.write_text(text, encoding="utf-8")


def edit_params(text: str, values: dict[str, Any]) -> str:
    """Set dotted keys in the text of a params.yaml; its comments and the order of keys stay."""
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


def commit_experiment(worktree: Path, baseline: str, name: str) -> str:
    """Commit the worktree as an experiment of the baseline; return the commit.

    As `dvc exp save` does, without its references below refs/exps/exec: worktrees share those, and
    two workers that save at the same time would take each other's (ADR 14).
    """
    git("add", "--update", cwd=worktree)
    git("add", "--force", LOCK, cwd=worktree)
    tree = git("write-tree", cwd=worktree)
    message = f"{COMMIT_MESSAGE} {tree}"
    commit = git("commit-tree", tree, "-p", baseline, "-m", message, cwd=worktree)
    git("update-ref", experiment_ref(baseline, name), commit, cwd=worktree)
    return commit


def experiment_ref(baseline: str, name: str) -> str:
    """Return the git reference of an experiment in DVC."""
    from dvc.repo.experiments.refs import ExpRefInfo

    return str(ExpRefInfo(baseline, name))


def experiments(root: Path, sweep: str) -> list[str]:
    """List the experiments of a sweep that git has, whatever their baseline."""
    refs = git("for-each-ref", "--format=%(refname)", "refs/exps", cwd=root).splitlines()
    names = [ref.rsplit("/", 1)[1] for ref in refs]
    return [n for n in names if n.rpartition("-")[0] == sweep and n.rpartition("-")[2].isdecimal()]
