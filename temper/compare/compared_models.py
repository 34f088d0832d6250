"""Open the experiments, git revisions and MLflow runs to compare, without a checkout.

All files are read from DVC. An MLflow run is matched to the commit that has the same metrics.json:
the revision in its tags is the one it started from, before its results were committed.
"""

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from temper import params
from temper.compare import experiments
from temper.compare.experiments import METRICS, Experiment
from temper.core import pipeline
from temper.core.errors import InputError, nearest
from temper.repo import changed_on_disk, check_repository, hashes, try_git
from temper.tracking import store

if TYPE_CHECKING:
    from dvc.api import DVCFileSystem

EVALUATION = "data/evaluation"
READ = (EVALUATION, "data/export", "data/history", "data/raw")  # outputs that are compared
WORKSPACE = "workspace"
RUN_ID = re.compile(r"[0-9a-f]{32}")
MAX_COMMITS = 300  # searched for the results of an MLflow run, newest first


def resolve(names: Sequence[str]) -> list[Experiment]:
    """Open the named models, in order, each once.

    Raises:
        InputError: fewer than two, or a name is unknown, ambiguous, or has no finished run.
    """
    check_repository()
    names = list(dict.fromkeys(names))
    known = experiments.commits()
    if len(names) < 2:
        raise InputError(
            "name two or more experiments, git revisions or MLflow runs; "
            f"experiments: {', '.join(known) or 'none'}; {WORKSPACE} is the state of this folder"
        )
    return [find_model(name, known) for name in names]


def find_model(name: str, known: dict[str, list[str]]) -> Experiment:
    """Open the model of one name.

    Raises:
        InputError: the name is unknown or ambiguous, or the run has not finished.
    """
    if name == WORKSPACE:
        return open_model(name, None)
    revision = try_git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    commits = [*known.get(name, ())]
    if revision and revision not in commits:
        commits.append(revision)
    if len(commits) > 1:
        raise InputError(f"{name} is ambiguous: give one of the commits {', '.join(commits)}")
    if commits:
        return open_model(name, commits[0])
    if RUN_ID.fullmatch(name):
        return open_run(name)
    raise InputError(
        f"{name}: no finished experiment, git revision or MLflow run{nearest(name, list(known))}; "
        f"experiments: {', '.join(known) or 'none'} (dvc queue status lists unfinished ones)"
    )


def open_model(name: str, rev: str | None) -> Experiment:
    """Open the model of a commit, or of the workspace.

    Raises:
        InputError: it has no finished evaluation, or one of other parameters.
    """
    experiment = experiments.open_experiment(name, rev)
    check_lock(name, experiment.files)
    others = [p for p in changed_on_disk() if p in READ and Path(p).exists()] if not rev else []
    if others:
        raise InputError(
            f"{name}: {', '.join(others)} on disk are not those of dvc.lock, as after a git "
            "checkout alone: dvc checkout restores those of dvc.lock, dvc repro makes them anew"
        )
    return experiment


def check_lock(name: str, files: "DVCFileSystem") -> None:
    """Check that the evaluation in dvc.lock belongs to params.yaml and to the other stages.

    Raises:
        InputError: evaluate has not run, or its inputs have changed since.
    """
    try:
        text = str(files.read_text("dvc.lock", encoding="utf-8"))
    except OSError:
        raise InputError(
            f"{name}: no dvc.lock, so its results are unknown; commit dvc.lock "
            "after dvc repro, or name the experiment"
        ) from None
    stages = experiments.load_yaml(text, f"{name}: dvc.lock").get("stages", {})
    evaluate = next((s for s in stages.values() if EVALUATION in hashes(s, "outs")), None)
    if evaluate is None:
        raise InputError(
            f"{name}: its dvc.lock has no {EVALUATION}: evaluate has not run, as in a sweep's "
            "trials; check it out (dvc exp apply, or git checkout), run dvc repro, and "
            f"compare {WORKSPACE}"
        )
    text = str(files.read_text(params.PARAMS_FILE.as_posix(), encoding="utf-8"))
    tree = experiments.load_yaml(text, f"{name}: {params.PARAMS_FILE}")
    for key, used in evaluate.get("params", {}).get(params.PARAMS_FILE.as_posix(), {}).items():
        if pipeline.get(tree, key) != used:
            raise InputError(
                f"{name}: {EVALUATION} was not made with the {key} of its params.yaml (dvc.lock "
                "has another); run dvc repro and commit dvc.lock, or name a commit whose dvc.lock "
                "is its own"
            )
    outs = {path: md5 for stage in stages.values() for path, md5 in hashes(stage, "outs").items()}
    for path, md5 in hashes(evaluate, "deps").items():
        if outs.get(path, md5) != md5:
            raise InputError(f"{name}: {path} changed after it was evaluated; run dvc repro")


def open_run(run_id: str) -> Experiment:
    """Open the commit that has the evaluation of an MLflow run.

    Raises:
        InputError: MLflow does not have the run's results, or no commit of this repository does.
    """
    name, metrics = read_run(run_id)
    arguments = ("--all", "--format=%H", f"--max-count={MAX_COMMITS}", "--", "dvc.lock")
    for rev in (None, *(try_git("log", *arguments) or "").split()):
        try:
            model = open_model(name, rev)
            if model.read_bytes(METRICS) == metrics:
                return model
        except InputError:
            continue
    raise InputError(
        f"run {run_id}: no commit or experiment of this repository, nor {WORKSPACE}, has its "
        "metrics.json, so its test rows are unknown. Fetch it (dvc exp pull <git remote> <name>; "
        "dvc fetch --all-commits), or rerun it: mlflow artifacts download -r "
        f"{run_id} -a params.yaml, then dvc repro, then name {WORKSPACE}"
    )


def read_run(run_id: str) -> tuple[str, bytes]:
    """Return the name of an MLflow run and its metrics.json; a store is never created.

    Raises:
        InputError: the store does not answer or lacks the run, or the run has no evaluation.
    """
    database, remedy = store.root() / "mlflow.db", "; name experiments or git revisions instead"
    if not os.environ.get("MLFLOW_TRACKING_URI") and not database.exists():
        raise InputError(f"run {run_id}: there is no {database}{remedy}")
    try:
        client = store.connect()
        name = client.get_run(run_id).data.tags.get("mlflow.runName", "run")
        with tempfile.TemporaryDirectory() as folder:
            file = client.download_artifacts(run_id, "evaluation/metrics.json", folder)
            return f"{name} {run_id[:8]}", Path(file).read_bytes()
    except Exception as error:  # a tracker may raise anything
        reason = store.error_message(error, store.tracking_uri())
        raise InputError(f"run {run_id}: {reason}{remedy}") from None
