"""A plan and a repository → what all trials of a sweep start from, checked before any runs."""

import json
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from temper import params
from temper.core import yaml_file
from temper.core.errors import InputError, nearest
from temper.sweep import space, storage, workspace
from temper.sweep.sweep_config import SweepConfig

KEY = "begun"  # what the study knows of its beginning


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep.yaml that fits the repository."""

    config: SweepConfig
    file: Path
    root: Path
    folder: Path  # sweeps/<name>
    tree: dict[str, Any]  # params.yaml as the sweep began with it
    whole: dict[str, bool]  # whether a parameter's values are whole numbers
    greater: bool  # whether a greater score is better

    @property
    def url(self) -> str:
        """Return the URL of the database."""
        return self.config.storage or storage.own(self.folder)


def prepare(config: SweepConfig, file: Path, root: Path, folder: Path) -> Sweep:
    """Check a plan; nothing is written.

    Raises:
        InputError: the repository, a parameter or the objective does not fit.
    """
    check_place(root, config)
    text = parameters_of(root, begun_with(config, folder), file)
    tree = yaml.load(text, Loader=yaml_file.Loader)
    whole = space.check(config, tree, file)
    greater = direction(config, tree, file)
    return Sweep(
        config=config, file=file, root=root, folder=folder, tree=tree, whole=whole, greater=greater
    )


def check_place(root: Path, config: SweepConfig) -> None:
    """Refuse a folder in which no sweep can run.

    Raises:
        InputError: says what is missing.
    """
    from temper import tracking

    if not (root / ".dvc").is_dir() or not (root / "dvc.yaml").is_file():
        raise InputError("this is no DVC repository; run it where dvc.yaml is")
    workspace.git(root, "rev-parse", "HEAD")
    workspace.git(root, "var", "GIT_COMMITTER_IDENT")
    if config.prune is not None and tracking.is_off():
        raise InputError(
            "prune needs the scores that training records as it runs: unset TEMPER_TRACKING, or "
            "leave prune out"
        )


def begun_with(config: SweepConfig, folder: Path) -> dict[str, Any]:
    """Return what the study knows of its beginning; {} where there is none yet."""
    import optuna

    if config.storage is None and not (folder / storage.OWN).exists():
        return {}
    opened = storage.open_storage(config.storage or storage.own(folder))
    try:
        found = optuna.load_study(study_name=config.name, storage=opened)
    except KeyError:
        return {}
    return found.user_attrs.get(KEY, {})


def parameters_of(root: Path, begun: dict[str, Any], file: Path) -> str:
    """Return params.yaml as the sweep began with it, or as it is now.

    Raises:
        InputError: git does not have the commit.
    """
    if not begun:
        params.load()
        return params.PARAMS_FILE.read_text(encoding="utf-8")
    commit, short = begun["commit"], begun["baseline"][:10]
    if not workspace.has(root, commit):
        if commit != begun["baseline"]:
            raise InputError(
                f"the sweep was begun at commit {short} with changes that were not committed, and "
                "another clone has these: commit them there and give the sweep another name"
            )
        raise InputError(f"the sweep was begun at commit {short}: git fetch it into this clone")
    others = ("--", ".", f":!{workspace.LOCK}", f":!{file}")
    diff = subprocess.run(["git", "diff", "--quiet", commit, *others], cwd=root)
    if diff.returncode:
        print(f"the code or params.yaml has changed; the sweep goes on with those of {short}")
    return workspace.git(root, "show", f"{commit}:./{params.PARAMS_FILE}") + "\n"


def direction(config: SweepConfig, tree: dict[str, Any], file: Path) -> bool:
    """Tell whether a greater score of the objective is better.

    Raises:
        InputError: the task has no such metric.
    """
    from temper.sweep import objective

    parameters = params.Params.model_validate_json(json.dumps(tree))
    known = objective.directions(parameters)
    if config.metric not in known:
        line = yaml_file.line_of(yaml_file.compose(file), ("objective",))
        raise InputError(
            f"{file}:{line}: objective: {parameters.task.metrics} has no metric {config.metric!r}"
            f"{nearest(config.metric, list(known))}; allowed: {', '.join(known)}"
        )
    return known[config.metric]


def folder_id(folder: Path) -> str:
    """Return a name for this clone's folder of the sweep, the same after a restart."""
    file = folder / "id"
    if not file.exists():
        file.write_text(uuid.uuid4().hex)
    return file.read_text()


def begin(sweep: Sweep, study: Any) -> dict[str, Any]:
    """Return the baseline and the commit of the trials, written down where the sweep is new.

    Raises:
        InputError: experiments have its names, git lacks a file that the parameters name, or the
            sweep was begun with another plan.
    """
    root, config = sweep.root, sweep.config
    said = config.model_dump(mode="json", exclude={"storage"})  # its URL may hold a password
    if KEY not in study.user_attrs:
        taken = workspace.experiments(root, config.name)
        if taken:
            raise InputError(
                f"there are experiments {', '.join(taken[:3])} … of an earlier sweep "
                f"{config.name}: "
                f"give this one another name, or remove them: dvc exp remove {' '.join(taken)}"
            )
        baseline, commit = workspace.snapshot(root)
        parameters = params.Params.model_validate_json(json.dumps(sweep.tree))
        missing = workspace.unknown_files(root, commit, parameters)
        if missing:
            raise InputError(
                f"git does not know {', '.join(missing)}, and a trial has only what git knows: "
                "git add or dvc add it"
            )
        study.set_user_attr(KEY, {"baseline": baseline, "commit": commit, "plan": said})
    begun = study.user_attrs[KEY]
    before = begun["plan"] | {"budget": said["budget"]}  # which may be raised
    differing = [key for key in said if said[key] != before.get(key)]
    if differing:
        raise InputError(
            f"{sweep.file}: the sweep {config.name} was begun with another {', '.join(differing)}: "
            "give this one another name"
        )
    workspace.keep(root, config.name, begun["commit"])
    return begun
