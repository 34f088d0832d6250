"""The exported model of a run as a LoggedModel of MLflow 3, with its scores and data sets."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Run
    from mlflow.tracking import MlflowClient

NAME = "model"  # of each run's model: runs:/<run id>/model
FILES = "model"  # the run's artifact folder with it, where the server is older than MLflow 3
SCORES = ("test/", "validation/best_")  # the metrics that evaluate logs
STEP = 0


def find(client: "MlflowClient", run: "Run") -> "LoggedModel | None":
    """Return the model of a run; None if it has none, or the server is older than MLflow 3."""
    with _older_server():
        token: str | None = None
        while True:
            page = client.search_logged_models(
                [run.info.experiment_id], f"name = '{NAME}'", page_token=token
            )
            for model in page:
                if model.source_run_id == run.info.run_id:
                    return model
            token = page.token
            if not token:
                break
    return None


def open_model(client: "MlflowClient", run: "Run") -> "LoggedModel | None":
    """Return the model of a run, which is created if it has none; None from an older server.

    Like a run, a model that was created by a request without a response is found again.
    """
    model = find(client, run)
    if model is None:
        tags = {k: v for k, v in run.data.tags.items() if k == "model_sha256"}
        task = run.data.params.get("task.name")
        with _older_server():
            model = client.create_logged_model(
                run.info.experiment_id, NAME, run.info.run_id, tags, model_type=task
            )
    return model


@contextmanager
def _older_server() -> Iterator[None]:
    """Go on where the server does not know the request."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if error.error_code != "ENDPOINT_NOT_FOUND":
            raise


def finish(client: "MlflowClient", run_id: str, model_id: str) -> None:
    """Link a model to its run's scores and data sets, and mark it as ready.

    The scores keep the run's times: the store has them already and adds the model to them.
    """
    from mlflow.entities import LoggedModelOutput

    run = client.get_run(run_id)
    rows = scores(client, run, model_id)
    if rows:
        client.log_batch(run_id, metrics=rows)
    outputs = run.outputs.model_outputs if run.outputs else []
    if model_id not in [output.model_id for output in outputs]:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, STEP)])
    client.finalize_logged_model(model_id, "READY")


def scores(client: "MlflowClient", run: "Run", model_id: str) -> list:
    """Return the run's scores as the model's, each with the data set it was computed on."""
    from mlflow.entities import Metric

    datasets = {
        tag.value: entry.dataset
        for entry in (run.inputs.dataset_inputs if run.inputs else ())
        for tag in entry.tags
        if tag.key == "mlflow.data.context"
    }
    rows = []
    for key in run.data.metrics:
        if not key.startswith(SCORES):
            continue
        dataset = datasets.get(key.partition("/")[0])
        name, digest = (dataset.name, dataset.digest) if dataset else (None, None)
        last = client.get_metric_history(run.info.run_id, key)[-1]
        rows.append(Metric(key, last.value, last.timestamp, last.step, model_id, name, digest))
    return rows
