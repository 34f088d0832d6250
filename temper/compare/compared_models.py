"""Open the experiments, git revisions and MLflow runs to compare, without a checkout.

All files are read from DVC. An MLflow run is matched to the commit that has the same metrics.json:
the revision in its tags is the one it started from, before its results were committed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from temper import params
from temper.compare import experiments, mlflow_runs
from temper.compare.experiments import Experiment
from temper.core.errors import InputError, nearest
from temper.repo import check_repository, hashes, try_git

if TYPE_CHECKING:
    from dvc.api import DVCFileSystem
    from mlflow.entities import Run

EVALUATION, METRICS = "data/evaluation", "data/evaluation/metrics.json"
WORKSPACE = "workspace"
EXPERIMENT_REF = re.compile(r"^(\w+) refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(.+)$")
RUN_ID = re.compile(r"[0-9a-f]{32}")
MAX_COMMITS = 300  # searched for the results of an MLflow run, newest first


@dataclass(frozen=True, kw_only=True)
class ComparedModel:
    """A model to compare: its name, parameters and output files."""

    name: str
    source: str  # experiment, revision, workspace or run
    rev: str | None  # a commit; None for the working folder
    experiment: Experiment
    lock: dict[str, Any]  # `stages` of its dvc.lock
    run: "Run | None" = None  # the MLflow run that was named

    def read(self, path: str) -> bytes:
        """Return the bytes of an output file.

        Raises:
            InputError: DVC has it neither in the cache nor in a remote.
        """
        try:
            return self.experiment.read_bytes(path)
        except FileNotFoundError as error:
            rerun = f"git checkout {self.rev} && dvc repro"
            fetch = {
                "experiment": f"fetch it with dvc exp pull <git remote> {self.name}, or "
                f"rerun it with dvc exp apply {self.name} && dvc repro",
                WORKSPACE: "run dvc repro",
            }.get(self.source, f"dvc fetch --all-commits, if a remote has it, or {rerun}")
            raise InputError(f"{self.name}: {path} is {error}: {fetch}") from None

    def size(self, path: str) -> int | None:
        """Return the size of an output file in bytes; None where it does not exist."""
        try:
            with self.experiment.files.open(path, "rb") as file:
                return file.seek(0, 2)
        except Exception:  # as in Experiment.read_bytes
            return None


def resolve(names: Sequence[str]) -> list[ComparedModel]:
    """Open the named models, in order, each once.

    Raises:
        InputError: fewer than two, or a name is unknown, ambiguous, or has no finished run.
    """
    check_repository()
    names = list(dict.fromkeys(names))
    known = experiment_commits()
    if len(names) < 2:
        raise InputError(
            "name two or more experiments, git revisions or MLflow runs; "
            f"experiments: {', '.join(known) or 'none'}; {WORKSPACE} is the state of this folder"
        )
    return [find_model(name, known) for name in names]


def experiment_commits() -> dict[str, list[str]]:
    """Return the commits of each experiment name, whatever their baselines."""
    commits: dict[str, list[str]] = {}
    refs = try_git("for-each-ref", "refs/exps", "--format=%(objectname) %(refname)") or ""
    for match in filter(None, map(EXPERIMENT_REF.match, refs.splitlines())):
        commits.setdefault(match[2], []).append(match[1])
    return commits


def find_model(name: str, known: dict[str, list[str]]) -> ComparedModel:
    """Open the model of one name.

    Raises:
        InputError: the name is unknown or ambiguous, or the run has not finished.
    """
    if name == WORKSPACE:
        return open_model(name, WORKSPACE, None)
    commits = dict.fromkeys(known.get(name, ()), "experiment")
    revision = try_git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if revision:
        commits.setdefault(revision, "revision")
    if len(commits) > 1:
        raise InputError(
            f"{name} is ambiguous: "
            + ", ".join(f"{source} {commit[:10]}" for commit, source in commits.items())
            + "; give the commit"
        )
    if commits:
        [(commit, source)] = commits.items()
        return open_model(name, source, commit)
    if RUN_ID.fullmatch(name):
        return open_run(name, known)
    raise InputError(
        f"{name}: no finished experiment, git revision or MLflow run{nearest(name, list(known))}; "
        f"experiments: {', '.join(known) or 'none'} (dvc queue status lists unfinished ones)"
    )


def open_model(name: str, source: str, rev: str | None) -> ComparedModel:
    """Open the model of a commit, or of the workspace.

    Raises:
        InputError: it has no finished evaluation, or one of other parameters.
    """
    experiment = experiments.open_experiment(name, rev)
    lock = read_lock(name, experiment.files)
    return ComparedModel(name=name, source=source, rev=rev, experiment=experiment, lock=lock)


def read_lock(name: str, files: "DVCFileSystem") -> dict[str, Any]:
    """Read the stages of dvc.lock, and check that they belong to params.yaml and to one another.

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
        if lookup(tree, key) != used:
            raise InputError(
                f"{name}: {EVALUATION} was not made with the {key} of its params.yaml (dvc.lock "
                "has another); run dvc repro and commit dvc.lock, or name a commit whose dvc.lock "
                "is its own"
            )
    outs = {path: md5 for stage in stages.values() for path, md5 in hashes(stage, "outs").items()}
    for path, md5 in hashes(evaluate, "deps").items():
        if outs.get(path, md5) != md5:
            raise InputError(f"{name}: {path} changed after it was evaluated; run dvc repro")
    return stages


def lookup(tree: Any, key: str) -> Any:
    """Return the value of a dotted key, None where there is none."""
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def open_run(run_id: str, known: dict[str, list[str]]) -> ComparedModel:
    """Open the commit that has the evaluation of an MLflow run.

    Raises:
        InputError: MLflow does not answer or has no such run, the run has not finished, or no
            commit of this repository has its results.
    """
    run, metrics, text = mlflow_runs.read_run(run_id)
    tags = run.data.tags
    name = f"{tags.get('mlflow.runName', 'run')} {run_id[:8]}"
    exp_name = tags.get("dvc.exp_name", "")
    for rev in candidates(known.get(exp_name, [])):
        try:
            model = open_model(name, "run", rev)
            is_same = model.read(METRICS) == metrics
        except InputError:
            continue
        if is_same:
            parameters = experiments.parse_params(name, text)
            leaves = params.flatten(parameters)
            experiment = replace(model.experiment, parameters=parameters, leaves=leaves)
            return replace(model, experiment=experiment, run=run)
    source = f"experiment {exp_name}" if exp_name else "dvc repro"
    started = tags.get("mlflow.source.git.commit", "")[:10] or "an unknown commit"
    raise InputError(
        f"run {run_id}: no commit or experiment of this repository, nor {WORKSPACE}, has its "
        f"metrics.json, so its test rows are unknown. It was made by {source} from {started}"
        f"{' with uncommitted changes' if tags.get('git_dirty') == 'true' else ''}. "
        f"Fetch it (dvc exp pull <git remote> {exp_name or '<name>'}; dvc fetch --all-commits), "
        "or rerun it: mlflow artifacts download -r "
        f"{run_id} -a params.yaml, then dvc repro, then name {WORKSPACE}"
    )


def candidates(first: Sequence[str]) -> Iterator[str | None]:
    """Yield commits with different results: the given ones, the workspace, all others."""
    yield from first
    yield None
    seen = set()
    log = try_git("log", "--all", "--format=%H", f"--max-count={MAX_COMMITS}", "--", "dvc.lock")
    for commit in (log or "").splitlines():
        try:
            text = try_git("show", f"{commit}:./dvc.lock") or ""
            lock = experiments.load_yaml(text, f"{commit}: dvc.lock")
        except InputError:
            continue
        stages = lock.get("stages", {}).values()
        outs = {hashes(stage, "outs").get(EVALUATION) for stage in stages} - {None}
        if outs and not outs <= seen:
            seen |= outs
            yield commit
