"""Apply the best trial of a sweep, or the best experiment; score it on test, export, register.

`temper best`, `temper best lr-search`, `temper best exp-1 exp-2`, `temper best --promote champion`
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import optuna
import typer

from temper import params, repo
from temper.cli.sweep import SWEEPS
from temper.compare import experiments
from temper.core.errors import InputError
from temper.params import user_code
from temper.repo import git, try_git
from temper.sweep import model_registry, objective, ranking, storage, workspace
from temper.sweep.results import Result, describe_failure, to_result
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
    apply(root, winner)
    finish(winner)
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
    with storage.quiet_optuna():
        study = optuna.load_study(study_name=folder.name, storage=storage.open_storage(url))
    beginning, greater_is_better = study.user_attrs.get("begun"), study.direction.name == "MAXIMIZE"
    if beginning is None:
        raise InputError(f"the sweep {folder.name} has not started a trial")
    config = SweepConfig.model_validate_json(json.dumps(beginning["plan"]))
    results = [to_result(t) for t in study.trials if not t.user_attrs.get("surplus")]
    unfinished = sum(result.state in ("RUNNING", "WAITING") for result in results)
    if unfinished:
        print(f"{unfinished} trials of {config.name} are unfinished; the best of the others:")
    if (failure := describe_failure(results, config.name)) is not None:
        raise InputError(failure)
    trial, reason = select(
        results, config.num_seeds, config.metric, greater_is_better=greater_is_better
    )
    name = f"{config.name}-{trial.number}"
    rev, where = trial.notes["rev"], trial.notes["where"]
    if not workspace.has_commit(Path.cwd(), rev):
        raise InputError(
            f"experiment {name} is at {where}: dvc exp push <git remote> {name} there, dvc exp "
            f"pull <git remote> {name} here"
        )
    return Winner(
        name=name,
        rev=rev,
        baseline=beginning["baseline"],
        start_commit=beginning["commit"],
        reason=f"{name}: {reason}",
    )


def best_experiment(names: Sequence[str], metric: str | None) -> Winner:
    """Return the best of named experiments; those that differ in the seed alone are averaged.

    Raises:
        InputError: one does not exist, has not finished, or lacks the score.
    """
    runs = experiments.finished(names)
    metric = metric or user_code.attribute_name(runs[0].parameters.train.metric_for_best_model)
    directions = objective.directions(runs[0].parameters)
    results: list[Result] = []
    members: dict[str, list[int]] = {}  # indices of the experiments with equal parameters
    for i, run in enumerate(runs):
        values = {key: value for key, value in run.leaves.items() if key != "seed"}
        same = members.setdefault(json.dumps(values, sort_keys=True), [])
        same.append(i)
        history = run.read(objective.HISTORY_FILE)
        results.append(
            Result(
                number=i,
                configuration=same[0],
                seed=run.parameters.seed,
                state="COMPLETE",
                values={"experiment": run.name},
                score=objective.model_score(history, run.parameters, metric),
                notes={},
            )
        )
    num_seeds = max(map(len, members.values()))
    trial, reason = select(results, num_seeds, metric, greater_is_better=directions[metric])
    name, head = runs[trial.number].name, git("rev-parse", "HEAD")
    rev = git("rev-parse", workspace.experiment_ref(head, name))
    return Winner(name=name, rev=rev, baseline=head, start_commit=head, reason=f"{name}: {reason}")


def select(
    results: Sequence[Result], num_seeds: int, metric: str, *, greater_is_better: bool
) -> tuple[Result, str]:
    """Return the best configuration's typical trial, and the reason.

    Raises:
        InputError: nothing has a score.
    """
    ranked = ranking.rank(results, num_seeds, greater_is_better=greater_is_better)
    if not ranked:
        raise InputError("no trial has finished, so there is no best one")
    first, trial = ranked[0], ranked[0].typical
    mean = experiments.format_mean(first.scores)
    reason = f"validation {metric} {mean}, best of {len(ranked)} configurations"
    if len(first.scores) > 1:
        reason += f"; seed {trial.seed} is nearest the mean ({trial.score:.4f})"
    return trial, reason


def apply(root: Path, winner: Winner) -> None:
    """Apply the experiment to the workspace, unless that is done already.

    Raises:
        InputError: the workspace is at another commit, or has changes that would be lost.
    """
    head = git("rev-parse", "HEAD", cwd=root)
    if head != winner.baseline:
        raise InputError(
            f"{winner.name} is based on commit {winner.baseline[:10]}, and the workspace is at "
            f"{head[:10]}: git switch --detach {winner.baseline[:10]}, then rerun this command"
        )
    diff = ("diff", "--name-only", "--relative")
    applied = git(*diff, winner.baseline, winner.rev, cwd=root).splitlines()
    if is_unchanged(root, winner.rev, params.PARAMS_FILE.as_posix()):
        return  # an earlier call that was interrupted has applied it
    dirty = git(*diff, "HEAD", cwd=root).splitlines()
    commits = (winner.rev, winner.start_commit)
    lost = [
        path
        for path in dirty
        if path in applied and not any(is_unchanged(root, commit, path) for commit in commits)
    ]
    if lost:
        raise InputError(
            f"{', '.join(lost)}: has uncommitted changes that {winner.name} would overwrite: "
            f"git commit or git stash them first; git checkout {' '.join(lost)} discards them"
        )
    dvc_apply(winner.name)


def dvc_apply(name: str) -> None:
    """Do `dvc exp apply`, which fails as a command: a trial has no data/evaluation yet.

    Raises:
        InputError: DVC cannot apply it; holds DVC's message.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as dvc_repo:
            dvc_repo.experiments.apply(name, allow_missing=True)
    except DvcException as error:
        raise InputError(f"dvc exp apply {name}: {error}") from None


def is_unchanged(root: Path, commit: str, path: str) -> bool:
    """Check whether a file is as in a commit."""
    return try_git("diff", "--quiet", commit, "--", path, cwd=root) is not None


def finish(winner: Winner) -> None:
    """Run evaluate and export, in the experiment's own MLflow run.

    Raises:
        InputError: a stage fails; it has printed its own message.
    """
    names = {"DVC_EXP_NAME": winner.name, "DVC_EXP_BASELINE_REV": winner.baseline}
    if repo.dvc("repro", env=os.environ | names):
        raise InputError("dvc repro failed; fix the cause, then rerun temper best to continue")
