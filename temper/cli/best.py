"""A sweep, or experiments → the best one applied, scored on test and exported once, registered.

`temper best`, `temper best lr-search`, `temper best exp-1 exp-2`, `temper best --promote champion`
"""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from temper import params
from temper.cli.sweep import SWEEPS
from temper.compare import experiments
from temper.core.errors import InputError
from temper.params import user_code

CANDIDATE = "candidate"


@dataclass(frozen=True, kw_only=True)
class Winner:
    """The experiment to apply."""

    name: str
    rev: str
    baseline: str
    begun: str  # commit of the sweep's own code and parameters; its workspace may be as that
    said: str  # why it is the one


def best(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SWEEP | EXPERIMENT...]", help="Default: the only sweep there is."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Of experiments: a validation score; default: train.metric_for_best_model."
        ),
    ] = None,
    promote: Annotated[
        str | None, typer.Option(help="Do nothing but give this alias to the candidate.")
    ] = None,
) -> None:
    """Apply the winner to the workspace, score it on test, export it, register it."""
    from temper.sweep import registry

    root = Path.cwd()
    os.environ["DVC_ROOT"] = str(root)
    if promote is not None:
        name = params.load().export.name
        version = registry.promote(name, CANDIDATE, promote)
        print(f"{name} version {version} is {promote} now: models:/{name}@{promote}")
        return
    registry.check_name(params.load().export.name)
    sweep = sweep_named(names or [], root)
    winner = of_sweep(root / SWEEPS / sweep) if sweep else of_experiments(names or [], metric)
    print(winner.said, flush=True)
    apply(root, winner)
    finish(winner)
    name = params.load().export.name
    version = registry.register(name, Path("data/model"), CANDIDATE)
    print(f"\nregistered {name} version {version} as {CANDIDATE}: models:/{name}@{CANDIDATE}")
    print("promote it  temper best --promote champion")
    print("keep it     git add params.yaml dvc.lock && git commit -m 'The best parameters'")


def sweep_named(names: Sequence[str], root: Path) -> str | None:
    """Return the sweep that is meant; None where the names are those of experiments.

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


def of_sweep(folder: Path) -> Winner:
    """Return the winner of a sweep.

    Raises:
        InputError: it has no finished trial, or the winner is on another machine.
    """
    import optuna

    from temper.sweep import storage, workspace
    from temper.sweep import sweep_config as sweep_config
    from temper.sweep.results import as_result

    shared = folder / storage.SHARED
    url = shared.read_text() if shared.exists() else storage.own(folder)
    with storage.quietly():
        found = optuna.load_study(study_name=folder.name, storage=storage.open_storage(url))
    known, greater = found.user_attrs.get("begun"), found.direction.name == "MAXIMIZE"
    if known is None:
        raise InputError(f"the sweep {folder.name} has not begun any trial")
    config = sweep_config.SweepConfig.model_validate_json(json.dumps(known["plan"]))
    results = [as_result(t) for t in found.trials if not t.user_attrs.get("surplus")]
    unfinished = sum(result.state in ("RUNNING", "WAITING") for result in results)
    if unfinished:
        print(f"{unfinished} trials of {config.name} have not ended; the best of the others:")
    chosen, said = pick(results, config.num_seeds, config.metric, greater=greater)
    name = f"{config.name}-{chosen.number}"
    rev, where = chosen.notes["rev"], chosen.notes["where"]
    if not workspace.has(Path.cwd(), rev):
        raise InputError(
            f"experiment {name} is at {where}: dvc exp push <git remote> {name} there, dvc exp "
            f"pull <git remote> {name} here"
        )
    return Winner(
        name=name,
        rev=rev,
        baseline=known["baseline"],
        begun=known["commit"],
        said=f"{name}: {said}",
    )


def of_experiments(names: Sequence[str], metric: str | None) -> Winner:
    """Return the best of named experiments; those that differ in the seed alone belong together.

    Raises:
        InputError: one does not exist, has not finished, or lacks the score.
    """
    from temper.sweep import objective, workspace
    from temper.sweep.results import Result

    found = experiments.finished(names)
    metric = metric or user_code.last(found[0].parameters.train.metric_for_best_model)
    directions = objective.directions(found[0].parameters)
    results, sets = [], {}
    for i, one in enumerate(found):
        leaves = {key: value for key, value in one.leaves.items() if key != "seed"}
        group = sets.setdefault(json.dumps(leaves, sort_keys=True), [])
        group.append(i)
        results.append(
            Result(
                number=i,
                configuration=group[0],
                seed=one.parameters.seed,
                state="COMPLETE",
                values={"experiment": one.name},
                score=objective.kept(one.read(objective.FILE), one.parameters, metric),
                notes={},
            )
        )
    most = max(map(len, sets.values()))
    chosen, said = pick(results, most, metric, greater=directions[metric])
    name, root = found[chosen.number].name, Path.cwd()
    head = workspace.git(root, "rev-parse", "HEAD")
    rev = workspace.git(root, "rev-parse", workspace.ref_of(head, name))
    return Winner(name=name, rev=rev, baseline=head, begun=head, said=f"{name}: {said}")


def pick(results: Sequence[Any], num_seeds: int, metric: str, *, greater: bool) -> tuple[Any, str]:
    """Return the best configuration's typical trial, and the reason.

    Raises:
        InputError: nothing has a score.
    """
    from temper.sweep import ranking

    found = ranking.ranked(results, num_seeds, greater=greater)
    if not found:
        raise InputError("no trial has finished: there is nothing to choose from")
    first, chosen = found[0], found[0].typical
    said = f"validation {metric} {experiments.format_mean(first.scores)}, the best of {len(found)}"
    if len(first.scores) > 1:
        said += f"; of its seeds {chosen.seed} is nearest the mean ({chosen.score:.4f})"
    return chosen, said


def apply(root: Path, winner: Winner) -> None:
    """Bring the experiment into the workspace, unless it is there already.

    Raises:
        InputError: the workspace is at another commit, or has changes that would be lost.
    """
    from temper.sweep import workspace

    git = workspace.git
    head = git(root, "rev-parse", "HEAD")
    if head != winner.baseline:
        raise InputError(
            f"{winner.name} builds on commit {winner.baseline[:10]}, and the workspace is at "
            f"{head[:10]}: git switch --detach {winner.baseline[:10]}, then the same command again"
        )
    names = ("diff", "--name-only", "--relative")
    ours = git(root, *names, winner.baseline, winner.rev).splitlines()
    if is_as_in(root, winner.rev, params.PARAMS_FILE.as_posix()):
        return  # an earlier call that was interrupted has applied it
    dirty = git(root, *names, "HEAD").splitlines()
    lost = [
        path
        for path in dirty
        if path in ours and not any(is_as_in(root, c, path) for c in (winner.rev, winner.begun))
    ]
    if lost:
        raise InputError(
            f"{', '.join(lost)}: changed, not committed, and {winner.name} would overwrite it: "
            f"git commit or git stash it first; git checkout {' '.join(lost)} drops the change"
        )
    bring(winner.name)


def bring(name: str) -> None:
    """Do `dvc exp apply`, which would fail as a command: a trial has no data/evaluation yet.

    Raises:
        InputError: DVC cannot; says why.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            repo.experiments.apply(name, allow_missing=True)
    except DvcException as error:
        raise InputError(f"dvc exp apply {name}: {error}") from None


def is_as_in(root: Path, commit: str, path: str) -> bool:
    """Tell whether a file is as in a commit."""
    command = ["git", "diff", "--quiet", commit, "--", path]
    return subprocess.run(command, cwd=root, capture_output=True).returncode == 0


def finish(winner: Winner) -> None:
    """Run evaluate and export, in the experiment's own MLflow run.

    Raises:
        InputError: a stage fails; it has said itself what is wrong.
    """
    names = {"DVC_EXP_NAME": winner.name, "DVC_EXP_BASELINE_REV": winner.baseline}
    done = subprocess.run(["dvc", "repro"], env=os.environ | names)
    if done.returncode:
        raise InputError("dvc repro failed; once that is mended, temper best goes on from here")
