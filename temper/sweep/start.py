"""Check a sweep against the repository, and fix the commit that all its trials start from."""

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from temper import params, tracking
from temper.core import yaml_file
from temper.core.errors import InputError, nearest
from temper.repo import git, try_git
from temper.sweep import objective, space, storage, workspace
from temper.sweep.sweep_config import SweepConfig

KEY = "begun"  # user attribute of the study: its baseline, commit and configuration


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep.yaml that is valid in this repository."""

    config: SweepConfig
    file: Path
    root: Path
    folder: Path  # sweeps/<name>
    tree: dict[str, Any]  # params.yaml when the sweep started
    is_integer: dict[str, bool]  # by parameter, whether its values are integers
    greater_is_better: bool

    @property
    def url(self) -> str:
        """Return the URL of the database."""
        return self.config.storage or storage.local_url(self.folder)


def prepare(config: SweepConfig, file: Path, root: Path, folder: Path) -> Sweep:
    """Check a sweep without writing anything.

    Raises:
        InputError: the repository, a parameter or the objective is invalid.
    """
    check_workspace(root, config)
    text = params_text(root, stored_start(config, folder), file)
    name = str(params.PARAMS_FILE)
    tree = yaml_file.values(yaml_file.parse(text, name), name)
    return Sweep(
        config=config,
        file=file,
        root=root,
        folder=folder,
        tree=tree,
        is_integer=space.check(config, tree, file),
        greater_is_better=objective_direction(config, tree, file),
    )


def check_workspace(root: Path, config: SweepConfig) -> None:
    """Refuse a folder in which a sweep cannot run.

    Raises:
        InputError: says what is missing.
    """
    if not (root / ".dvc").is_dir() or not (root / "dvc.yaml").is_file():
        raise InputError("not a DVC repository; run this where dvc.yaml is")
    git("rev-parse", "HEAD", cwd=root)
    git("var", "GIT_COMMITTER_IDENT", cwd=root)
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
        study = optuna.load_study(study_name=config.name, storage=opened)
    except KeyError:
        return {}
    return study.user_attrs.get(KEY, {})


def params_text(root: Path, start: dict[str, Any], file: Path) -> str:
    """Return params.yaml as it was when the sweep started; for a new sweep, as it is.

    Raises:
        InputError: git does not have the commit.
    """
    if not start:
        params.load()
        return params.PARAMS_FILE.read_text(encoding="utf-8")
    commit, short = start["commit"], start["baseline"][:10]
    if not workspace.has_commit(root, commit):
        if commit != start["baseline"]:
            raise InputError(
                f"the sweep was started at commit {short} with uncommitted changes, which only "
                "another clone has: commit them there and give the sweep another name"
            )
        raise InputError(f"the sweep was started at commit {short}: git fetch it into this clone")
    others = ("--", ".", f":!{workspace.LOCK}", f":!{file}")
    if try_git("diff", "--quiet", commit, *others, cwd=root) is None:
        print(f"the code or params.yaml has changed; the sweep continues with those of {short}")
    return git("show", f"{commit}:./{params.PARAMS_FILE}", cwd=root) + "\n"


def objective_direction(config: SweepConfig, tree: dict[str, Any], file: Path) -> bool:
    """Return whether a greater score of the objective is better.

    Raises:
        InputError: the task has no such metric.
    """
    parameters = params.Params.model_validate_json(json.dumps(tree))
    directions = objective.directions(parameters)
    if config.metric not in directions:
        line = yaml_file.line_of(yaml_file.compose(file), ("objective",))
        raise InputError(
            f"{file}:{line}: objective: {parameters.task.metrics} has no metric {config.metric!r}"
            f"{nearest(config.metric, list(directions))}; allowed: {', '.join(directions)}"
        )
    return directions[config.metric]


def folder_id(folder: Path) -> str:
    """Return the id of this clone's folder of the sweep, which a restart keeps."""
    file = folder / "id"
    if not file.exists():
        file.write_text(uuid.uuid4().hex)
    return file.read_text()


def begin(sweep: Sweep, study: optuna.Study) -> dict[str, Any]:
    """Return the baseline and the commit of the trials; store them if the sweep is new.

    Raises:
        InputError: experiments have its names, git does not track a file that the parameters name,
            or the sweep was started with another configuration.
    """
    root, config = sweep.root, sweep.config
    plan = config.model_dump(mode="json", exclude={"storage"})  # its URL may hold a password
    if KEY not in study.user_attrs:
        taken = workspace.experiments(root, config.name)
        if taken:
            raise InputError(
                f"experiments {', '.join(taken[:3])} … of an earlier sweep {config.name} exist: "
                f"give this one another name, or remove them: dvc exp remove {' '.join(taken)}"
            )
        baseline, commit = workspace.snapshot(root)
        parameters = params.Params.model_validate_json(json.dumps(sweep.tree))
        untracked = workspace.untracked_files(root, commit, parameters)
        if untracked:
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
    workspace.protect_commit(root, config.name, start["commit"])
    return start
