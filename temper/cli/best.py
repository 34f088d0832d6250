"""Apply the best trial of a sweep, or the best experiment; score it on test, export, register.

`temper best`, `temper best lr-search`, `temper best exp-1 exp-2`, `temper best --promote champion`
"""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import optuna
import typer
from optuna.trial import FrozenTrial, create_trial

from temper import params, repo
from temper.cli.sweep import SWEEPS
from temper.compare import experiments
from temper.core.errors import InputError
from temper.params import user_code
from temper.repo import git, try_git
from temper.sweep import model_registry, objective, ranking, start, storage, workspace
from temper.sweep.study import is_counted
from temper.sweep.sweep_config import SweepConfig

CANDIDATE = "candidate"


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The experiment to apply."""

    name: str
    rev: str
    baseline: str
    start_commit: str  # what the sweep started from; the workspace may still be in that state
    reason: str


def best(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SWEEP | EXPERIMENT...]", help="Default: the only sweep there is."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="A validation score to compare experiments by; default: "
            "train.metric_for_best_model."
        ),
    ] = None,
    promote: Annotated[
        str | None, typer.Option(help="Only give this alias to the current candidate.")
    ] = None,
) -> None:
    """Apply the best trial or experiment, score it on test, export and register it."""
    root = Path.cwd()
    os.environ["DVC_ROOT"] = str(root)
    if promote is not None:
        name = params.load().export.name
        version = model_registry.promote(name, CANDIDATE, promote)
        print(f"{name} version {version} is now {promote}: models:/{name}@{promote}")
        return
    model_registry.check_name(params.load().export.name)
    sweep = find_sweep(names or [], root)
    winner = best_trial(root / SWEEPS / sweep) if sweep else best_experiment(names or [], metric)
    print(winner.reason, flush=True)
    apply(winner)
    experiment = {"DVC_EXP_NAME": winner.name, "DVC_EXP_BASELINE_REV": winner.baseline}
    if repo.dvc("repro", env=os.environ | experiment):  # in the MLflow run of its training
        raise InputError("dvc repro failed; fix the cause, then rerun temper best to continue")
    name = params.load().export.name
    version = model_registry.register(name, Path("data/model"), CANDIDATE)
    print(f"\nregistered {name} version {version} as {CANDIDATE}: models:/{name}@{CANDIDATE}")
    print("to promote it  temper best --promote champion")
    print("to commit it   git add params.yaml dvc.lock && git commit -m 'Best parameters'")


def find_sweep(names: Sequence[str], root: Path) -> str | None:
    """Return the name of the sweep; None where the names are those of experiments.

    Raises:
        InputError: no name is given, and there is not exactly one sweep.
    """
    known = sorted(path.parent.name for path in (root / SWEEPS).glob("*/id"))
    if len(names) == 1 and names[0] in known:
        return names[0]
    if names:
        return None
    if len(known) != 1:
        raise InputError(f"name a sweep or experiments; sweeps here: {', '.join(known) or 'none'}")
    return known[0]


def best_trial(folder: Path) -> Winner:
    """Return the winner of a sweep.

    Raises:
        InputError: it has no finished trial, all have failed, or the winner is on another machine.
    """
    url_file = folder / storage.URL_FILE
    url = url_file.read_text() if url_file.exists() else storage.local_url(folder)
    found = optuna.load_study(study_name=folder.name, storage=storage.open_storage(url))
    beginning = read_start(found)
    config = SweepConfig.model_validate_json(json.dumps(beginning["plan"]))
    trials = list(filter(is_counted, found.trials))
    unfinished = sum(not trial.state.is_finished() for trial in trials)
    if unfinished:
        print(f"{unfinished} trials of {config.name} are unfinished; the best of the others:")
    if (failure := ranking.describe_failure(trials, config.name)) is not None:
        raise InputError(failure)
    trial, reason = select(
        trials,
        config.num_seeds,
        config.metric,
        greater_is_better=found.direction.name == "MAXIMIZE",
    )
    name, rev = f"{config.name}-{trial.number}", trial.user_attrs["rev"]
    if not workspace.has_commit(rev):
        raise InputError(
            f"experiment {name} is at {trial.user_attrs['where']}: dvc exp push <git remote> "
            f"{name} there, dvc exp pull <git remote> {name} here"
        )
    return Winner(
        name=name,
        rev=rev,
        baseline=beginning["baseline"],
        start_commit=beginning["commit"],
        reason=f"{name}: {reason}",
    )


def read_start(found: optuna.Study) -> dict[str, Any]:
    """Return what the sweep stored when it started.

    Raises:
        InputError: it has not, or an earlier version of temper ran it.
    """
    name, notes = found.study_name, found.user_attrs
    if start.KEY in notes:
        return notes[start.KEY]
    if "begun" in notes:
        raise InputError(
            f"an earlier version of temper ran the sweep {name}; name its experiments, which dvc "
            f"exp list shows: temper best {name}-0 {name}-1 …"
        )
    raise InputError(f"the sweep {name} has not started a trial")


def best_experiment(names: Sequence[str], metric: str | None) -> Winner:
    """Return the best of named experiments; those that differ in the seed alone are averaged.

    Raises:
        InputError: one does not exist, has not finished, or has no finite score.
    """
    runs = experiments.finished(names)
    metric = metric or user_code.attribute_name(runs[0].parameters.train.metric_for_best_model)
    groups = experiments.by_parameters(runs, ("seed",))
    trials: list[FrozenTrial] = []
    for configuration, group in enumerate(groups):
        for run in group:
            score = objective.model_score(run.read(objective.HISTORY_FILE), run.parameters, metric)
            if not math.isfinite(score):
                raise InputError(f"{run.name}: {metric} is {score}; name only other experiments")
            attributes = {"configuration": configuration, "seed": run.parameters.seed, "values": {}}
            trials.append(
                create_trial(
                    value=score, user_attrs=attributes | {"name": run.name, "rev": run.rev}
                )
            )
    num_seeds = max(map(len, groups))
    greater_is_better = objective.directions(runs[0].parameters)[metric]
    trial, reason = select(trials, num_seeds, metric, greater_is_better=greater_is_better)
    name, rev, head = trial.user_attrs["name"], trial.user_attrs["rev"], git("rev-parse", "HEAD")
    return Winner(name=name, rev=rev, baseline=head, start_commit=head, reason=f"{name}: {reason}")


def select(
    trials: Sequence[FrozenTrial], num_seeds: int, metric: str, *, greater_is_better: bool
) -> tuple[FrozenTrial, str]:
    """Return the best configuration's typical trial, and the reason.

    Raises:
        InputError: nothing has a score.
    """
    ranked = ranking.rank(trials, num_seeds, greater_is_better=greater_is_better)
    if not ranked:
        raise InputError("no trial has finished, so there is no best one")
    first, trial = ranked[0], ranked[0].typical
    mean = experiments.format_mean(first.scores)
    reason = f"validation {metric} {mean}, best of {len(ranked)} configurations"
    if len(first.scores) > 1:
        seed = trial.user_attrs["seed"]
        reason += f"; seed {seed} is nearest the mean ({trial.value:.4f})"
    return trial, reason


def apply(winner: Winner) -> None:
    """Apply the experiment to the workspace, unless that is done already.

    Raises:
        InputError: the workspace is at another commit, has changes that would be lost, or DVC
            cannot apply it.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    head, base = git("rev-parse", "HEAD"), winner.baseline
    if head != base:
        raise InputError(
            f"{winner.name} is based on commit {base[:10]}, and the workspace is at {head[:10]}: "
            f"git switch --detach {base[:10]}, then rerun this command"
        )
    if is_unchanged(params.PARAMS_FILE.as_posix(), winner.rev):
        return  # an earlier call that was interrupted has applied it
    diff = ("diff", "--name-only", "--relative")
    applied = git(*diff, base, winner.rev).splitlines()
    lost = [
        path
        for path in git(*diff, "HEAD").splitlines()
        if path in applied and not is_unchanged(path, winner.rev, winner.start_commit)
    ]
    if lost:
        raise InputError(
            f"{', '.join(lost)}: has uncommitted changes that {winner.name} would overwrite: "
            f"git commit or git stash them first; git checkout {' '.join(lost)} discards them"
        )
    try:
        with Repo() as dvc_repo:  # `dvc exp apply` fails: a trial has no data/evaluation yet
            dvc_repo.experiments.apply(winner.name, allow_missing=True)
    except DvcException as error:
        raise InputError(f"dvc exp apply {winner.name}: {error}") from None


def is_unchanged(path: str, *commits: str) -> bool:
    """Check whether a file is as in one of the commits."""
    return any(try_git("diff", "--quiet", commit, "--", path) is not None for commit in commits)
