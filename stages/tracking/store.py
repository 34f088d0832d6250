"""The MLflow store: where it is, which run a stage belongs to, what it knows."""

import fcntl
import hashlib
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from stages import outputs

TIMEOUT_S = 5  # one request
EXPERIMENT = "temper"
ENVIRONMENT = "environment/train.json"  # an artefact of the run


def root() -> Path:
    """Return the repository root, also from a temporary experiment workspace."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def default_uri() -> str:
    return f"sqlite:///{root() / 'mlflow.db'}"


def warn(message: str) -> None:
    print(f"warning: tracking: {message}", file=sys.stderr)


def connect() -> Any:
    """Return a client whose store is ready; a fresh SQLite file is made under a lock (FACTS 19)."""
    connect_quietly()
    from mlflow.tracking import MlflowClient

    uri = os.environ.get("MLFLOW_TRACKING_URI") or default_uri()
    if not uri.startswith("sqlite"):
        return MlflowClient(uri)
    (root() / "tracking").mkdir(exist_ok=True)
    with (root() / "tracking" / "store.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
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


def open_run(client: Any, record: dict[str, Any]) -> tuple[str, bool]:
    """Return the id of the run a stage belongs to, and whether it was there before."""
    from mlflow.entities import Param

    tags, stage = record["tags"], record["stage"]
    experiment = experiment_id(client)
    found = find_run(client, experiment, tags, stage)
    if found is not None:
        run_id = found.info.run_id
        client.update_run(run_id, status="RUNNING")
    else:
        run_id = client.create_run(experiment, record["time_ms"], tags).info.run_id
        values = [Param(key, value[:6000]) for key, value in record["params"].items()]
        client.log_batch(run_id, params=values)
        client.log_text(run_id, record["params_file"], "params.yaml")
        trainer = trained_by(client, experiment, tags, run_id)
        if trainer is not None:
            client.set_tag(run_id, "trained_by", trainer)
            copy_history(client, trainer, run_id)
    for key, value in tags.items():
        client.set_tag(run_id, key, value)
    client.log_dict(run_id, record["environment"], ENVIRONMENT.replace("train", stage))
    return run_id, found is not None


def experiment_id(client: Any) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    found = client.get_experiment_by_name(name)
    if found is not None:
        return found.experiment_id
    artifacts = None if os.environ.get("MLFLOW_TRACKING_URI") else (root() / "mlruns").as_uri()
    kind = {"mlflow.experimentKind": "custom_model_development"}  # else MLflow's page guesses
    try:
        return client.create_experiment(name, artifacts, kind)
    except Exception:  # of any tracker: another worker made it since
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return found.experiment_id


def find_run(client: Any, experiment: str, tags: dict[str, str], stage: str) -> Any | None:
    """Return this execution's run, or one of the same training that lacks this stage."""
    for key in ("execution", "fingerprint", "model_sha256"):
        if key in tags:
            query = f"tags.{key} = '{tags[key]}'"
            for found in client.search_runs([experiment], query, max_results=50):
                if key == "execution" or found.data.tags.get(f"stage.{stage}") != "FINISHED":
                    return found
    return None


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
                return outputs.read_json(Path(file))
    except Exception as error:  # whatever a tracker can throw
        warn(f"{error!s:.300}")
    return None


def copy_history(client: Any, source: str, target: str) -> None:
    """Copy the training's stepped metrics into a run that did not train."""
    for key in client.get_run(source).data.metrics:
        if key.startswith(("train/", "validation/")):
            rows = client.get_metric_history(source, key)
            for start in range(0, len(rows), 500):
                client.log_batch(target, metrics=rows[start : start + 500])


def files_sha256(files: list[Path]) -> str:
    if len(files) == 1:
        return outputs.sha256_file(files[0])
    return hashlib.sha256("".join(map(outputs.sha256_file, files)).encode()).hexdigest()
