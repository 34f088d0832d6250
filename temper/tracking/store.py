"""The MLflow store: where it is, which run a stage belongs to, what it knows."""

import hashlib
import logging
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from temper.core import artifacts
from temper.tracking.journal import locked, root

TIMEOUT_S = 30  # one request; nobody waits for it but a thread, and `temper sync`
EXPERIMENT = "temper"
EXPERIMENT_TAGS = ("dvc.exp_name", "dvc.baseline_rev")
BATCH = 100  # parameters in a request; MLflow takes no more
ENVIRONMENT = "environment/train.json"  # an artefact of the run


def default_uri() -> str:
    return f"sqlite:///{root() / 'mlflow.db'}"


def chosen_uri() -> str:
    """Return where runs go; a relative file is the repository's, also in a temporary workspace."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or default_uri()
    scheme, is_file, path = uri.partition("sqlite:///")
    return f"{scheme}{is_file}{root() / path}" if is_file and not scheme else uri


def recorded_uri() -> str:
    """Return what a journal says of its store: '' for the repository's own; never a password."""
    return masked(os.environ.get("MLFLOW_TRACKING_URI", ""))


def masked(uri: str) -> str:
    """Return the address without its password: journals and messages hold none."""
    return re.sub(r"(//[^/@:]*):[^/@]*@", r"\1:***@", uri)


def warn(message: str) -> None:
    print(f"warning: tracking: {message}", file=sys.stderr)


def reason(error: BaseException, uri: str) -> str:
    """Return what went wrong with a store, in plain words."""
    if is_unreachable(error):
        return f"{masked(uri)} cannot be reached"
    status = re.search(r"too many (\d+) error responses", str(error))
    if status:
        return f"{masked(uri)} answers with status {status[1]}; its log says why"
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"{masked(uri)} does not take it: {first[:300]}"


def is_unreachable(error: BaseException | None) -> bool:
    """Tell whether no answer came, as opposed to a refusal."""
    import requests

    while error is not None:
        if isinstance(error, requests.ConnectionError | requests.Timeout):
            return True
        error = error.__cause__ or error.__context__
    return False


def connect(uri: str | None = None) -> Any:
    """Return a client of a store that answers; a fresh database is made under a lock (FACTS 19).

    Raises:
        Exception: whatever mlflow raises where it does not.
    """
    connect_quietly()
    from contextlib import nullcontext

    from mlflow.tracking import MlflowClient

    uri = uri or chosen_uri()
    with nullcontext() if uri.startswith("http") else locked("store"):
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    return client


def connect_quietly() -> None:
    """Import mlflow with short time-outs and without its remarks."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(TIMEOUT_S))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow.utils import logging_utils

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging_utils.disable_logging()


def open_run(client: Any, record: dict[str, Any]) -> tuple[Any, bool]:
    """Return the run a stage belongs to, and whether it is new."""
    from mlflow.entities import Param

    tags, stage = record["tags"], record["stage"]
    experiment = experiment_id(client, record["experiment"])
    found = find_run(client, experiment, tags, stage)
    is_new = found is None
    if found is None:
        found = client.create_run(experiment, record["time_ms"], tags)
    else:
        client.update_run(found.info.run_id, status="RUNNING")
        set_tags(client, found.info.run_id, tags)
    run_id = found.info.run_id
    known = found.data.params  # all of them, unless the answer to an earlier attempt was lost
    missing = [Param(key(k), v[:6000]) for k, v in record["params"].items() if key(k) not in known]
    for start in range(0, len(missing), BATCH):
        client.log_batch(run_id, params=missing[start : start + BATCH])
    if stage != "train":
        link_trainer(client, run_id, tags)
    return found, is_new


def set_tags(client: Any, run_id: str, tags: dict[str, str]) -> None:
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])


def key(name: str) -> str:
    """Return the name of a parameter or metric as MLflow takes it."""
    return re.sub(r"[^/\w.\- :]", "_", name)[:250]


def experiment_id(client: Any, name: str | None = None) -> str:
    """Return the id of the experiment, which is made where there is none."""
    name = name or experiment_name()
    found = client.get_experiment_by_name(name)
    if found is not None:
        return found.experiment_id
    is_database = not client.tracking_uri.startswith("http")
    artifacts = (root() / "mlruns").as_uri() if is_database else None  # a server has its own place
    kind = {"mlflow.experimentKind": "custom_model_development"}  # else MLflow's page guesses
    try:
        return client.create_experiment(name, artifacts, kind)
    except Exception:  # of any tracker: another worker made it since
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return found.experiment_id


def experiment_name() -> str:
    return os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)


def find_run(client: Any, experiment: str, tags: dict[str, str], stage: str) -> Any | None:
    """Return this execution's run, or one that this repository began and that lacks this stage.

    That is one of the same training that was killed, or one of the same model and experiment.
    """
    for key in ("execution", "fingerprint", "model_sha256"):
        if key not in tags:
            continue
        query = f"tags.{key} = '{tags[key]}'"
        for found in client.search_runs([experiment], query, max_results=50):
            its = found.data.tags
            if key == "execution":
                return found
            is_ours = its.get("repository") == tags.get("repository")
            same = key == "fingerprint" or all(its.get(n) == tags.get(n) for n in EXPERIMENT_TAGS)
            if is_ours and same and its.get(f"stage.{stage}") != "FINISHED":
                return found
    return None


def link_trainer(client: Any, run_id: str, tags: dict[str, str]) -> None:
    """Copy the training's history into a run that did not train, and say whose it is."""
    found = client.get_run(run_id)
    trainer = found.data.tags.get("trained_by")
    if trainer is None and any(name.startswith("train/") for name in found.data.metrics):
        return
    trainer = trainer or trained_by(client, found.info.experiment_id, tags, run_id)
    if trainer is not None:
        client.set_tag(
            run_id, "trained_by", trainer
        )  # first: a copy that is cut short is made anew
        copy_history(client, trainer, run_id)


def trained_by(client: Any, experiment: str, tags: dict[str, str], itself: str) -> str | None:
    """Return the first run that did the training this stage builds on or found done."""
    for key in ("fingerprint", "model_sha256"):
        if key in tags:
            query = f"tags.{key} = '{tags[key]}'"
            for found in client.search_runs([experiment], query, order_by=["start_time ASC"]):
                if "fingerprint" in found.data.tags and found.info.run_id != itself:
                    return found.info.run_id
    return None


def environment_of(weights: list[Path]) -> dict[str, str] | None:
    """Return the environment in which weights were trained; None where no store knows them."""
    if "MLFLOW_TRACKING_URI" not in os.environ and not (root() / "mlflow.db").exists():
        return None
    try:
        client = connect()
        query = f"tags.model_sha256 = '{files_sha256(weights)}' and tags.fingerprint != ''"
        experiments = [experiment_id(client)]
        for found in client.search_runs(experiments, query, order_by=["start_time DESC"]):
            with tempfile.TemporaryDirectory() as folder:
                file = client.download_artifacts(found.info.run_id, ENVIRONMENT, folder)
                return artifacts.read_json(Path(file))
    except Exception as error:  # whatever a tracker can throw
        warn(f"{error!s:.300}")
    return None


def copy_history(client: Any, source: str, target: str) -> None:
    """Copy the training's stepped metrics into a run that did not train."""
    for key in client.get_run(source).data.metrics:
        if key.startswith(("train/", "validation/")):
            rows = client.get_metric_history(source, key)
            for start in range(0, len(rows), 1000):
                client.log_batch(target, metrics=rows[start : start + 1000])


def files_sha256(files: list[Path]) -> str:
    if len(files) == 1:
        return artifacts.sha256_file(files[0])
    return hashlib.sha256("".join(map(artifacts.sha256_file, files)).encode()).hexdigest()
