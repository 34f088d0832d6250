"""The MLflow tracking store: its address, and the run that a stage belongs to."""

import hashlib
import logging
import os
import re
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper.core import artifacts, causes
from temper.core.errors import first_line
from temper.tracking import addresses, database
from temper.tracking.journal import root

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

TIMEOUT_S = 30  # of a request; only a thread and `temper sync` wait for one
EXPERIMENT = "temper"
EXPERIMENT_TAGS = ("dvc.exp_name", "dvc.baseline_rev")
KIND, MODEL_TRAINING = "mlflow.experimentKind", "custom_model_development"  # else MLflow guesses
VIEW = "workflowType=machine_learning"  # MLflow 3.17 asks its address, not the experiment's kind
BATCH = 100  # parameters in a request, MLflow's maximum
ENVIRONMENT = "environment/train.json"  # path of an artefact


def default_uri() -> str:
    return f"sqlite:///{root() / 'mlflow.db'}"


def tracking_uri() -> str:
    """Return the URI of the store; a relative SQLite file is below the repository root."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or default_uri()
    scheme, is_file, path = uri.partition("sqlite:///")
    return f"{scheme}{is_file}{root() / path}" if is_file and not scheme else uri


def recorded_uri() -> str:
    """Return the URI without its secrets, as journals hold it; '' for the repository's store."""
    return addresses.mask(os.environ.get("MLFLOW_TRACKING_URI", ""))


def warn(message: str) -> None:
    print(f"warning: tracking: {message}", file=sys.stderr)


def error_message(error: BaseException, uri: str) -> str:
    """Summarise an error of a store in one line without the secrets of its URI."""
    name = addresses.mask(uri)
    if is_unreachable(error):
        return f"{name} cannot be reached"
    status = re.search(r"too many (\d+) error responses", str(error))
    if status:
        return f"{name} answered with status {status[1]}; see its log"
    if remedy := database.remedy(error, uri):
        return remedy
    return f"{name} refused the request: {addresses.hide(first_line(error), uri)[:300]}"


def is_unreachable(error: BaseException | None) -> bool:
    """Check whether there was no answer, as opposed to a refusal."""
    import requests

    lost = (requests.ConnectionError, requests.Timeout)
    return any(isinstance(cause, lost) for cause in causes.chain(error))


def connect(uri: str | None = None) -> "MlflowClient":
    """Return a client of a store that answers; a new SQLite database is made.

    Raises:
        Exception: mlflow's, where the store does not answer.
    """
    connect_quietly()
    from mlflow.tracking import MlflowClient

    uri = uri or tracking_uri()
    if addresses.mask(uri) != uri:  # MLflow prints it at the end of a run
        os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    if not uri.startswith("http"):
        database.ensure(uri)
    client = MlflowClient(uri)
    client.search_experiments(max_results=1)
    return client


def import_client() -> None:
    """Import what a client needs, of a server or a database."""
    connect_quietly()
    import_module("mlflow.tracking")
    if not tracking_uri().startswith("http"):
        import_module("mlflow.store.tracking.sqlalchemy_store")


def connect_quietly() -> None:
    """Import mlflow with short time-outs, without log output and usage statistics."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(TIMEOUT_S))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.utils import logging_utils

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging_utils.disable_logging()


def open_run(client: "MlflowClient", record: dict[str, Any]) -> tuple["Run", bool]:
    """Return the run of the stage whose journal begins with `record`, and whether it is new."""
    from mlflow.entities import Param

    tags, stage = record["tags"], record["stage"]
    experiment = experiment_id(client, record["experiment"])
    run = find_run(client, experiment, tags, stage)
    is_new = run is None
    if run is None:
        run = client.create_run(experiment, record["time_ms"], tags)
    else:
        client.update_run(run.info.run_id, status="RUNNING")
        kept = {key: tags[key] for key in tags if key != "mlflow.runName"}  # a user may rename it
        set_tags(client, run.info.run_id, kept)
    run_id = run.info.run_id
    known = run.data.params  # all of them, unless the answer to an earlier attempt was lost
    given = {valid_key(name): value[:6000] for name, value in record["params"].items()}
    missing = [Param(name, value) for name, value in given.items() if name not in known]
    for start in range(0, len(missing), BATCH):
        client.log_batch(run_id, params=missing[start : start + BATCH])
    if stage != "train":
        link_trainer(client, run_id, tags)
    return run, is_new


def set_tags(client: "MlflowClient", run_id: str, tags: dict[str, str]) -> None:
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])


def valid_key(name: str) -> str:
    """Replace the characters that MLflow does not allow in the name of a parameter or metric."""
    return re.sub(r"[^/\w.\- :]", "_", name)[:250]


def experiment_id(client: "MlflowClient", name: str | None = None) -> str:
    """Return the id of the experiment, which is created if it does not exist."""
    name = name or experiment_name()
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        if KIND not in experiment.tags:
            client.set_experiment_tag(experiment.experiment_id, KIND, MODEL_TRAINING)
        return experiment.experiment_id
    is_database = not client.tracking_uri.startswith("http")
    artifacts = (root() / "mlruns").as_uri() if is_database else None  # a server has its own
    try:
        return client.create_experiment(name, artifacts, {KIND: MODEL_TRAINING})
    except Exception:  # a tracker may raise anything; another worker has created it since
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            raise
        return experiment.experiment_id


def experiment_name() -> str:
    return os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)


def find_run(
    client: "MlflowClient", experiment: str, tags: dict[str, str], stage: str
) -> "Run | None":
    """Return this execution's run, or one that this clone started and that lacks this stage.

    The latter is of the same training, which was killed, or of the same model and experiment.
    """
    for key in [k for k in ("execution", "fingerprint", "model_sha256") if k in tags]:
        query = f"tags.{key} = '{tags[key]}'"
        for run in client.search_runs([experiment], query, max_results=50):
            its = run.data.tags
            if key == "execution":
                return run
            is_ours = its.get("repository") == tags.get("repository")
            same = key == "fingerprint" or all(its.get(n) == tags.get(n) for n in EXPERIMENT_TAGS)
            if is_ours and same and its.get(f"stage.{stage}") != "FINISHED":
                return run
    return None


def link_trainer(client: "MlflowClient", run_id: str, tags: dict[str, str]) -> None:
    """Tag a run that did not train with the run that did, and copy its training history."""
    run = client.get_run(run_id)
    trainer = run.data.tags.get("trained_by")
    if trainer is None and any(name.startswith("train/") for name in run.data.metrics):
        return
    trainer = trainer or find_trainer(client, run.info.experiment_id, tags, run_id)
    if trainer is not None:
        client.set_tag(run_id, "trained_by", trainer)  # first: an interrupted copy is repeated
        copy_history(client, trainer, run_id)


def find_trainer(
    client: "MlflowClient", experiment: str, tags: dict[str, str], run_id: str
) -> str | None:
    """Return the first run other than `run_id` that did the training of this stage's model."""
    for key in [k for k in ("fingerprint", "model_sha256") if k in tags]:
        query = f"tags.{key} = '{tags[key]}' and tags.fingerprint != ''"
        for run in client.search_runs([experiment], query, order_by=["start_time ASC"]):
            if run.info.run_id != run_id:
                return run.info.run_id
    return None


def training_environment(weights: list[Path]) -> dict[str, str] | None:
    """Return the environment in which weights were trained; None where no run has them."""
    if "MLFLOW_TRACKING_URI" not in os.environ and not (root() / "mlflow.db").exists():
        return None
    try:
        client = connect()
        query = f"tags.model_sha256 = '{files_sha256(weights)}' and tags.fingerprint != ''"
        experiments = [experiment_id(client)]
        for run in client.search_runs(experiments, query, order_by=["start_time DESC"]):
            with tempfile.TemporaryDirectory() as folder:
                file = client.download_artifacts(run.info.run_id, ENVIRONMENT, folder)
                return artifacts.read_json(Path(file))
    except Exception as error:  # a tracker may raise anything
        warn(error_message(error, tracking_uri()))
    return None


def copy_history(client: "MlflowClient", source: str, target: str) -> None:
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
