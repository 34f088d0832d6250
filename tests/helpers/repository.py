"""Copies of the repository, and the real commands in them."""

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.workspace import ROOT, change, environment, init_dvc, make_store

COPIED = ("stages", "temper", "launch", "data/sample/model", "data/files", "data/zero_shot")
COPIED += ("data/translators", "data/teachers", "data/teacher_logits", "tests/data")
USER = ("git config user.name test", "git config user.email test@example.org")


STUB = """
stages:
  stub:
    cmd: python stub.py
    deps: [stub.py]
    params: [seed, data, train]
    outs: [data/raw, data/evaluation]
"""


def copy_code(folder: Path) -> None:
    """Copy what the pipeline reads of this repository, and no manifest of another run."""
    for name in COPIED:
        ignore = shutil.ignore_patterns("__pycache__", "*.json" if name == "data/files" else "")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    shutil.copy(ROOT / "dvc.yaml", folder)


def make_origin(folder: Path) -> Path:
    """Make a git repository with the code as it is, the tests' parameters, and a finished run."""
    folder.mkdir()
    copy_code(folder)
    for name in (".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copy(ROOT / "tests/params.yaml", folder / "params.yaml")
    make_store(empty_store(folder).parent)
    shutil.copy(empty_store(folder), folder / "mlflow.db")
    return first_run(folder)


def empty_store(origin: Path) -> Path:
    """Return where the clones of a repository find an MLflow database without runs."""
    return origin.parent / "store/mlflow.db"


def make_stub(folder: Path, script: str, **changes: Any) -> Path:
    """Make one whose only stage is a script that writes data/raw and data/evaluation, and run it.

    Args:
        changes: of the project's params.yaml.
    """
    folder.mkdir()
    (folder / "stub.py").write_text(script)
    (folder / "dvc.yaml").write_text(STUB)
    (folder / ".gitignore").write_text("/data/\n")
    shutil.copy(ROOT / "params.yaml", folder)
    set_params(folder, **changes)
    return first_run(folder)


def first_run(folder: Path) -> Path:
    start_repository(folder)
    run(folder, "dvc repro -q")
    commit(folder, "run")
    return folder


def start_repository(folder: Path) -> None:
    """Put a folder's files under git and DVC."""
    for command in ("git init -q", *USER):
        run(folder, command)
    init_dvc(folder, "analytics = false")
    commit(folder, "start")


def make_result(folder: Path) -> Path:
    """Run a pipeline of one stage in the working directory, and commit it; return the cache."""
    from dvc.repo import Repo
    from dvc.repo.reproduce import reproduce

    (folder / "dvc.yaml").write_text("stages: {train: {cmd: 'echo 1 > model', outs: [model]}}\n")
    (folder / ".gitignore").write_text("model\n.dvc/cache\n.dvc/tmp\n")
    with Repo.init(no_scm=True) as opened:
        reproduce(opened)
        cache = Path(opened.cache.local_cache_dir)
    for command in ("git init -q", *USER):
        run(folder, command)
    commit(folder, "result")
    return cache


def variables(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment for a command in a copy: its own code, nothing of the tests'."""
    return environment(**{"PYTHONPATH": str(folder)} | more)


def run(folder, command, check=True, **more):
    """Run a command in a copy; unless told otherwise it has to end well."""
    done = subprocess.run(
        command.split(), cwd=folder, env=variables(folder, **more), capture_output=True, text=True
    )
    assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def commit(folder, message):
    run(folder, "git add -A")
    run(folder, f"git commit -qm {message}")


def clone(origin, folder, cache=False):
    """Clone a copy whose outputs are those of dvc.lock; with its cache and outputs where asked."""
    run(origin, f"git clone -q {origin} {folder}")
    for command in USER:
        run(folder, command)
    if empty_store(origin).exists():
        shutil.copy(empty_store(origin), folder / "mlflow.db")
    if cache:
        for name in (".dvc/cache", "data"):
            shutil.copytree(origin / name, folder / name, dirs_exist_ok=True)
    return folder


def tracked(folder):
    """Return a client of a copy's MLflow store, which has all that its stages recorded.

    They have sent something by themselves. On a busy machine they may end before everything is.
    """
    from temper.cli import sync
    from temper.tracking import store

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        with closing(sqlite3.connect(folder / "mlflow.db")) as database:
            assert database.execute("select count(*) from runs").fetchone() > (0,)
        sync.sync()
        return store.connect(store.tracking_uri())


def hashes(folder):
    """Return the hashes of every stage's outputs in dvc.lock."""
    lock = yaml.safe_load((folder / "dvc.lock").read_text())
    return {out["path"]: out["md5"] for s in lock["stages"].values() for out in s["outs"]}


def ran(done):
    """Return the stages that a `dvc repro` or `dvc exp run` ran."""
    lines = done.stdout.splitlines()
    return [line.split("'")[1] for line in lines if line.startswith("Running stage")]


def set_params(folder, **changes):
    tree = yaml.safe_load((folder / "params.yaml").read_text())
    flat = {key.replace("__", "."): value for key, value in changes.items()}
    (folder / "params.yaml").write_text(yaml.safe_dump(change(tree, flat), sort_keys=False))
