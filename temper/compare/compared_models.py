"""Names of experiments, git revisions and MLflow runs → what they left, without a checkout.

All files are DVC's: an MLflow run is led back to the commit that holds the same metrics.json, since
the revision in its tags is the one it started from, before its results were committed.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from temper import params
from temper.compare import experiments, mlflow_runs
from temper.compare.experiments import Experiment
from temper.core import yaml_file
from temper.core.errors import InputError, nearest
from temper.repo import check_repository, hashes

EVALUATION, METRICS = "data/evaluation", "data/evaluation/metrics.json"
WORKSPACE = "workspace"
EXPERIMENT_REF = re.compile(r"^(\w+) refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(.+)$")
RUN_ID = re.compile(r"[0-9a-f]{32}")
MOST_COMMITS = 300  # searched for the results of an MLflow run, the newest first


@dataclass(frozen=True, kw_only=True)
class ComparedModel:
    """One of the things compared: the name it is shown by and what it left."""

    name: str
    kind: str  # experiment, revision, workspace or run
    rev: str | None  # a commit; None for the working folder
    one: Experiment
    lock: dict[str, Any]  # `stages` of its dvc.lock
    run: Any | None = None  # the MLflow run that was named

    def read(self, path: str) -> bytes:
        """Return the bytes of one of its files.

        Raises:
            InputError: DVC has it neither in the cache nor in a remote.
        """
        try:
            return self.one.files.read_bytes(path)
        except OSError:
            fetch = {
                "experiment": f"fetch it with dvc exp pull <git remote> {self.name}, or make it "
                f"again with dvc exp apply {self.name} && dvc repro",
                WORKSPACE: "run dvc repro",
            }.get(self.kind, f"dvc fetch --all-commits, or git checkout {self.rev} && dvc repro")
            raise InputError(
                f"{self.name}: {path} is neither in DVC's cache nor in a remote: {fetch}"
            ) from None

    def size(self, path: str) -> int | None:
        """Return the bytes that one of its files has; None where it is not there."""
        try:
            with self.one.files.open(path, "rb") as file:
                return file.seek(0, 2)
        except OSError:
            return None


def resolve(names: Sequence[str]) -> list[ComparedModel]:
    """Return what the names stand for, in order, each once.

    Raises:
        InputError: fewer than two, or one of them is unknown, ambiguous, or has no finished run.
    """
    check_repository()
    names = list(dict.fromkeys(names))
    known = experiment_commits()
    if len(names) < 2:
        raise InputError(
            "name two or more experiments, git revisions or MLflow runs; "
            f"experiments: {', '.join(known) or 'none'}; {WORKSPACE} is what lies in this folder"
        )
    return [find(name, known) for name in names]


def experiment_commits() -> dict[str, list[str]]:
    """Return the commits of each experiment's name, of all commits they were started from."""
    found: dict[str, list[str]] = {}
    refs = git("for-each-ref", "refs/exps", "--format=%(objectname) %(refname)") or ""
    for match in filter(None, map(EXPERIMENT_REF.match, refs.splitlines())):
        found.setdefault(match[2], []).append(match[1])
    return found


def find(name: str, known: dict[str, list[str]]) -> ComparedModel:
    """Return what one name stands for.

    Raises:
        InputError: nothing, or two things, or something that has not ended.
    """
    if name == WORKSPACE:
        return open_entry(name, WORKSPACE, None)
    commits = dict.fromkeys(known.get(name, ()), "experiment")
    revision = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if revision:
        commits.setdefault(revision, "revision")
    if len(commits) > 1:
        raise InputError(
            f"{name} is more than one thing: "
            + ", ".join(f"{kind} {commit[:10]}" for commit, kind in commits.items())
            + "; give the commit"
        )
    if commits:
        [(commit, kind)] = commits.items()
        return open_entry(name, kind, commit)
    if RUN_ID.fullmatch(name):
        return from_run(name, known)
    raise InputError(
        f"{name}: no finished experiment, git revision or MLflow run{nearest(name, list(known))}; "
        f"experiments: {', '.join(known) or 'none'} (dvc queue status shows what is not done yet)"
    )


def open_entry(name: str, kind: str, rev: str | None) -> ComparedModel:
    """Return what a commit, or the working folder, holds.

    Raises:
        InputError: it has no finished evaluation, or one that is not of its parameters.
    """
    try:
        one = experiments.open_experiment(name, rev)
    except OSError:
        raise InputError(f"{name}: there is no {params.PARAMS_FILE}") from None
    return ComparedModel(name=name, kind=kind, rev=rev, one=one, lock=read_lock(name, one.files))


def read_lock(name: str, files: Any) -> dict[str, Any]:
    """Return the stages of dvc.lock, once they are known to be of params.yaml and of one another.

    Raises:
        InputError: evaluate has not run, or not since something before it changed.
    """
    try:
        lock = yaml.load(files.read_text("dvc.lock", encoding="utf-8"), Loader=yaml_file.Loader)
    except OSError:
        raise InputError(
            f"{name}: no dvc.lock, so nothing says which results are its own; commit dvc.lock "
            "after dvc repro, or name the experiment"
        ) from None
    stages = lock.get("stages", {})
    mine = next((s for s in stages.values() if EVALUATION in hashes(s, "outs")), None)
    if mine is None:
        raise InputError(
            f"{name}: its dvc.lock has no {EVALUATION}: evaluate has not run, as in a sweep's "
            "trials; take it into the folder (dvc exp apply, or git checkout), run dvc repro, and "
            f"compare {WORKSPACE}"
        )
    text = files.read_text(params.PARAMS_FILE.as_posix(), encoding="utf-8")
    tree = yaml.load(text, Loader=yaml_file.Loader)
    for key, used in mine.get("params", {}).get(params.PARAMS_FILE.as_posix(), {}).items():
        if lookup(tree, key) != used:
            raise InputError(
                f"{name}: {EVALUATION} was not made with the {key} of its params.yaml (dvc.lock "
                "has another); run dvc repro and commit dvc.lock, or name a commit whose dvc.lock "
                "is its own"
            )
    outs = {path: md5 for stage in stages.values() for path, md5 in hashes(stage, "outs").items()}
    for path, md5 in hashes(mine, "deps").items():
        if outs.get(path, md5) != md5:
            raise InputError(f"{name}: {path} changed after it was evaluated; run dvc repro")
    return stages


def lookup(tree: Any, key: str) -> Any:
    """Return the value at a dotted key, None where there is none."""
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def from_run(run_id: str, known: dict[str, list[str]]) -> ComparedModel:
    """Return the commit that holds the evaluation an MLflow run recorded.

    Raises:
        InputError: MLflow does not answer, or has no such run, or it did not end, or no commit
            here holds its results.
    """
    run, metrics, text = mlflow_runs.recorded(run_id)
    tags = run.data.tags
    name = f"{tags.get('mlflow.runName', 'run')} {run_id[:8]}"
    experiment = tags.get("dvc.exp_name", "")
    for rev in candidates(known.get(experiment, [])):
        try:
            model = open_entry(name, "run", rev)
            same = model.read(METRICS) == metrics
        except InputError:
            continue
        if same:
            found = experiments.parse_params(name, text)
            one = replace(model.one, parameters=found, leaves=params.flatten(found))
            return replace(model, one=one, run=run)
    source = f"experiment {experiment}" if experiment else "dvc repro"
    started = tags.get("mlflow.source.git.commit", "")[:10] or "a commit it does not name"
    raise InputError(
        f"run {run_id}: no commit or experiment here, nor {WORKSPACE}, holds the metrics.json that "
        f"it recorded, so its predictions have no test rows to stand beside. It was made by "
        f"{source} from {started}"
        f"{' with changes that were not committed' if tags.get('git_dirty') == 'true' else ''}. "
        f"Fetch it (dvc exp pull <git remote> {experiment or '<name>'}; dvc fetch --all-commits), "
        "or make it again: mlflow artifacts download -r "
        f"{run_id} -a params.yaml, then dvc repro, then name {WORKSPACE}"
    )


def candidates(first: Sequence[str]) -> Iterator[str | None]:
    """Yield commits with different results: the given ones, the working folder, all others."""
    yield from first
    yield None
    seen = set()
    log = git("log", "--all", "--format=%H", f"--max-count={MOST_COMMITS}", "--", "dvc.lock")
    for commit in (log or "").splitlines():
        lock = yaml.load(git("show", f"{commit}:./dvc.lock") or "", Loader=yaml_file.Loader) or {}
        stages = lock.get("stages", {}).values()
        outs = {hashes(stage, "outs").get(EVALUATION) for stage in stages} - {None}
        if outs and not outs <= seen:
            seen |= outs
            yield commit


def git(*arguments: str) -> str | None:
    """Return what git prints; None where it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None
