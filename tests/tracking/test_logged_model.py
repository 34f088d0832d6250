"""The exported model is on MLflow's page of models, once, with its scores and data sets."""

import contextlib
from pathlib import Path
from unittest.mock import ANY

import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode
from mlflow.tracking import MlflowClient

from temper import tracking
from temper.tracking import logged_model, run_tags, run_writer, store


def save(source, target):
    target.mkdir()
    (target / "MLmodel").write_text("flavors: {}\n")
    (target / "code").mkdir()
    (target / "code/a.py").write_text("a = 1\n")


def export(parameters):
    with tracking.run("export", parameters, fingerprint="f") as run:
        run.log_model(save, Path("data/export"))


@pytest.mark.slow
def test_a_model_has_the_scores_of_its_run_once(write_params, monkeypatch):
    """Although the responses to two requests are lost after the server has executed them."""
    parameters = write_params()
    with tracking.run("train", parameters, fingerprint="f") as run:
        run.log_dataset({"train": "1" * 64, "test": "2" * 64})
        run.log_metrics({"train/loss": 1.0}, 1)
    with tracking.run("evaluate", parameters, fingerprint="f") as run:
        run.log_metrics({"test/f1": 0.5, "validation/best_f1": 0.75})
    lost_requests, lost = ["create_logged_model", "log_outputs"], []

    def losing(name):
        request = getattr(MlflowClient, name)

        def send(self, *arguments, **options):
            result = request(self, *arguments, **options)
            if name not in lost:
                lost.append(name)
                raise requests.ConnectionError
            return result

        monkeypatch.setattr(MlflowClient, name, send)

    for name in lost_requests:
        losing(name)
    export(parameters)
    client = store.connect()
    for _ in lost_requests:  # which of them are sent by `export` depends on its time
        with contextlib.suppress(requests.ConnectionError):
            assert list(run_writer.upload_left_behind(client, None)) in ([], [(ANY, None)])
    assert list(run_writer.upload_left_behind(client, None)) in ([], [(ANY, None)])
    assert lost == lost_requests
    (run,) = client.search_runs(["1"])
    (model,) = client.search_logged_models(["1"])
    assert (model.name, str(model.status), model.source_run_id) == (
        "model", "READY", run.info.run_id,
    )  # fmt: skip
    assert model.model_type == parameters.task.name
    assert {(m.key, m.value, m.dataset_name, m.dataset_digest) for m in model.metrics} == {
        ("test/f1", 0.5, "test", "22222222"),
        ("validation/best_f1", 0.75, None, None),  # the run has no such data set
    }
    assert len(client.get_metric_history(run.info.run_id, "test/f1")) == 1
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    paths = {file.path for file in client.list_artifacts(run.info.run_id, "model")}
    assert paths == {"model/MLmodel", "model/code"}
    assert client.download_artifacts(run.info.run_id, "model/code/a.py", str(Path.cwd()))


@pytest.mark.slow
def test_an_older_server_gets_the_model_as_files_of_the_run(write_params, monkeypatch):
    """MLflow 2 knows no request about such models."""
    parameters = write_params()
    error = MlflowException("Not Found", ErrorCode.Value("ENDPOINT_NOT_FOUND"))

    def unknown(*_, **__):
        raise error

    for name in ("search_logged_models", "create_logged_model"):
        monkeypatch.setattr(MlflowClient, name, unknown)
    export(parameters)
    client = store.connect()
    (run,) = client.search_runs(["1"])
    assert logged_model.find(client, run) is None
    files = Path(run.info.artifact_uri.removeprefix("file://"), "model")
    assert (files / "code/a.py").exists()


@pytest.mark.slow
def test_names_tell_runs_apart_and_stay(write_params, monkeypatch):
    """A training that goes on in another execution keeps the name of its run, as a user set it."""
    parameters = write_params()
    for time in ("1231-235958", "1231-235959"):
        monkeypatch.setattr(run_tags, "started", lambda time=time: time)
        monkeypatch.setattr(run_tags, "execution", lambda time=time: time)
        with pytest.raises(KeyboardInterrupt), tracking.run("train", parameters, fingerprint=time):
            raise KeyboardInterrupt
    client = store.connect()
    names = {run.info.run_name for run in client.search_runs(["1"])}
    assert names == {f"1231-23595{i}-{parameters.export.name}" for i in (8, 9)}
    (first,) = client.search_runs(["1"], "tags.fingerprint = '1231-235958'")
    client.set_tag(first.info.run_id, "mlflow.runName", "mine")
    monkeypatch.setattr(run_tags, "execution", lambda: "another")
    with tracking.run("train", parameters, fingerprint="1231-235958"):
        pass
    found = client.get_run(first.info.run_id)
    assert (found.info.run_name, found.info.status) == ("mine", "FINISHED")


def test_an_experiment_that_somebody_made_is_of_model_training(local_store, monkeypatch):
    """Unless it says of which kind it is."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "theirs")
    client = store.connect(f"sqlite:///{local_store}")
    theirs = client.create_experiment("theirs")
    assert store.experiment_id(client) == theirs
    assert client.get_experiment(theirs).tags[store.KIND] == store.MODEL_TRAINING
    client.set_experiment_tag(theirs, store.KIND, "finetuning")
    store.experiment_id(client)
    assert client.get_experiment(theirs).tags[store.KIND] == "finetuning"
