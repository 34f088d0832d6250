"""Check a sweep against the repository, and fix the commit that all its trials start from."""

import fcntl
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna

from temper import params, tracking
from temper.compare import experiments
from temper.core import validation, yaml_file
from temper.core.errors import InputError, alternatives
from temper.repo import LOCK, check_identity, git, try_git
from temper.sweep import objective, space, storage, workspace
from temper.sweep.study import Study
from temper.sweep.sweep_config import SweepConfig

KEY = "started"  # user attribute of the study: its baseline, commit and configuration


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep.yaml that is valid in this repository."""

    config: SweepConfig
    file: Path
    root: Path
    folder: Path  # sweeps/<name>
    parameters: params.Params  # when the sweep started
    start: dict[str, Any]  # baseline, commit and configuration of then; {} for a new sweep
    is_integer: dict[str, bool]  # by parameter, whether its values are integers
    greater_is_better: bool

    def worker(self, index: int) -> Path:
        """Return the worktree of a worker."""
        return self.folder / f"worker-{index}"

    def log(self, number: int) -> Path:
        return self.folder / "logs" / f"{number}.log"


def prepare(config: SweepConfig, file: Path, root: Path, folder: Path) -> Sweep:
    """Check a sweep in the current folder without writing anything.

    Raises:
        InputError: the repository, a parameter or the objective is invalid.
    """
    check_workspace(config)
    start = stored_start(config, folder)
    tree = params_at(start, file)
    parameters = params.Params.model_validate_json(json.dumps(tree))
    directions = objective.directions(parameters)

    def mistakes(_: SweepConfig) -> Iterator[tuple[validation.Location, str]]:
        yield from space.mistakes(config, tree)
        if config.metric not in directions:
            message = f"{parameters.task.metrics} has no metric {config.metric!r}"
            yield ("objective",), f"{message}{alternatives(config.metric, directions)}"

    validation.load(file, SweepConfig, mistakes, page="docs/sweep.md")
    return Sweep(
        config=config,
        file=file,
        root=root,
        folder=folder,
        start=start,
        parameters=parameters,
        is_integer={
            name: space.has_integer_values(tree, name, values)
            for name, values in config.parameters.items()
        },
        greater_is_better=directions[config.metric],
    )


def check_workspace(config: SweepConfig) -> None:
    """Refuse a folder in which a sweep cannot run."""
    if not Path(".dvc").is_dir() or not Path("dvc.yaml").is_file():
        raise InputError("not a DVC repository; run this where dvc.yaml is")
    git("rev-parse", "HEAD")
    check_identity()
    if outer := git("rev-parse", "--show-superproject-working-tree"):
        raise InputError(
            f"this is a submodule of {outer}, in whose worktrees, where trials run, DVC does not "
            "find its repository; clone it by itself (dvc exp run works here)"
        )
    if config.prune is not None and tracking.is_off():
        raise InputError(
            "prune needs the scores that training records as it runs: unset TEMPER_TRACKING, or "
            "remove prune"
        )


def stored_start(config: SweepConfig, folder: Path) -> dict[str, Any]:
    """Return what the study stored when the sweep started; {} for a new sweep."""
    if config.storage is None and not (folder / storage.DATABASE).exists():
        return {}
    opened = storage.open_storage(config.storage or storage.local_url(folder))
    try:
        return optuna.load_study(study_name=config.name, storage=opened).user_attrs.get(KEY, {})
    except KeyError:
        return {}


def params_at(start: dict[str, Any], file: Path) -> dict[str, Any]:
    """Return params.yaml as it was when the sweep started; for a new sweep, as it is."""
    if not start:
        params.load()
        return yaml_file.load(params.PARAMS_FILE)
    commit, short = start["commit"], start["baseline"][:10]
    if not workspace.has_commit(commit):
        if commit != start["baseline"]:
            raise InputError(
                f"the sweep was started at commit {short} with uncommitted changes, which only "
                "another clone has: commit them there and give the sweep another name"
            )
        raise InputError(f"the sweep was started at commit {short}: git fetch it into this clone")
    others = ("--", ".", f":!{LOCK}", f":!{file}")
    if try_git("diff", "--quiet", commit, *others) is None:
        print(f"the code or params.yaml has changed; the sweep continues with those of {short}")
    name = str(params.PARAMS_FILE)
    return yaml_file.values(yaml_file.parse(git("show", f"{commit}:./{name}"), name), name)


def folder_id(folder: Path) -> str:
    """Return the id of this clone's folder of the sweep, which a restart keeps."""
    file = folder / "id"
    if not file.exists():
        file.write_text(uuid.uuid4().hex)
    return file.read_text()


def open_study(sweep: Sweep) -> Study:
    """Open or create the study of a sweep in its folder."""
    url = sweep.config.storage or storage.local_url(sweep.folder)
    return Study(
        sweep.config,
        storage.open_storage(url, is_shared=sweep.config.storage is not None),
        sweep.is_integer,
        folder_id(sweep.folder),
        greater_is_better=sweep.greater_is_better,
    )


@contextmanager
def try_lock(file: Path) -> Iterator[bool]:
    """Hold the lock of a file, if no other process does; give whether."""
    with file.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_held = True
        except BlockingIOError:
            is_held = False
        yield is_held


def begin(sweep: Sweep, study: optuna.Study) -> Sweep:
    """Store what the trials start from, if the sweep is new, and return the sweep with it."""
    config = sweep.config
    plan = config.model_dump(mode="json", exclude={"storage"})  # its URL may hold a password
    if KEY not in study.user_attrs:
        name = re.compile(rf"{config.name}-\d+")
        if taken := [other for other in experiments.commits() if name.fullmatch(other)]:
            raise InputError(
                f"experiments {', '.join(taken[:3])} … of an earlier sweep {config.name} exist: "
                f"give this one another name, or remove them: dvc exp remove {' '.join(taken)}"
            )
        baseline = git("rev-parse", "HEAD")
        commit = git("stash", "create") or baseline  # with the uncommitted changes, which stay
        if untracked := workspace.untracked_files(commit, sweep.parameters):
            raise InputError(
                f"git does not track {', '.join(untracked)}, and a trial has only tracked files: "
                "git add or dvc add it"
            )
        study.set_user_attr(KEY, {"baseline": baseline, "commit": commit, "plan": plan})
    start = study.user_attrs[KEY]
    before = start["plan"] | {"budget": plan["budget"]}  # the budget may be raised
    differing = [key for key in plan if plan[key] != before.get(key)]
    if differing:
        raise InputError(
            f"{sweep.file}: the sweep {config.name} was started with another "
            f"{', '.join(differing)}: give this one another name"
        )
    git("update-ref", f"refs/temper/sweeps/{config.name}", start["commit"])  # keep it
    return replace(sweep, start=start)
