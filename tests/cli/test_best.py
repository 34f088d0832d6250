"""`temper best` takes no lucky seed, loses no change of the workspace, and registers once."""

import re
import socket
import subprocess
from types import SimpleNamespace

import optuna
import pytest

from temper import tracking
from temper.cli import best, summary
from temper.core import artifacts
from temper.core.errors import InputError
from temper.sweep import model_registry, storage
from temper.tracking import store
from tests.helpers import sweeps
from tests.helpers.processes import kill_once, start
from tests.helpers.repository import clone, commit, run, set_params, tracked

RATES = {"train.learning_rate": {"choice": [1e-3, 1e-4]}}
STATUSES = {"s": "FINISHED", "s-0": "FINISHED", "s-1": "KILLED"}
GRID = {"method": "grid", "seed": None, "budget": None, "parameters": RATES}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Return a repository of stubs with a sweep over two rates and three seeds."""
    folder = sweeps.make(tmp_path_factory.mktemp("best") / "repository")
    sweeps.write(folder, **GRID, seeds=[1, 3, 4])
    sweeps.sweep(folder)
    return folder


def temper_best(folder, *words):
    """Run `temper best` with a tracker; return its status and what it prints."""
    done = subprocess.run(
        ["temper", "best", *words],
        cwd=folder,
        env=sweeps.variables(folder, TEMPER_TRACKING="on"),
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_winner_replaces_params_and_lock(swept, monkeypatch, capsys):
    """Uncommitted changes and another commit stop it; experiments are ranked alike."""
    monkeypatch.chdir(swept)

    def refused(message, *names):
        with pytest.raises(InputError, match=message):
            best.best(list(names))

    refused("no experiment 'nothing' of the current commit", "nothing")
    set_params(swept, train__epochs=9)
    refused("params.yaml: has uncommitted changes that s-1 would overwrite")
    said = "s-1: validation accuracy 0.8906 ± 0.0153, best of 2 configurations; seed 3 is nearest"
    assert said in capsys.readouterr().out
    run(swept, "git checkout -q params.yaml")
    status, text = temper_best(swept, "s-0", "s-1", "s-3", "s-4")
    assert "s-0: validation accuracy 0.8839 ± 0.0141, best of 2 configurations; seed 1 is" in text
    assert "Running stage 'evaluate'" in text
    assert "error: dvc repro failed; fix the cause, then rerun temper best to continue" in text
    run(swept, "git reset -q --hard")
    run(swept, "rm -f dvc.lock")
    status, text = temper_best(swept, "s")
    assert (status, "Running stage 'evaluate'" in text) == (1, True), text
    assert "Running stage 'train'" not in text
    applied = (swept / "params.yaml").read_text().splitlines()
    assert "seed: 3" in applied
    assert any(re.fullmatch(r"  learning_rate: 0.001 +# peak", line) for line in applied)
    status, text = temper_best(swept, "s")
    assert "Running stage 'evaluate'" in text  # it went on
    commit(swept, "more")
    refused("s-1 is based on commit .*, and the workspace is at ")


@pytest.mark.slow
def test_a_sweep_with_a_budget_has_a_winner(swept, tmp_path, monkeypatch):
    """The best of random trials is taken, also when the budget was raised since."""
    folder = clone(swept, tmp_path / "repository")
    for trials in (1, 2):
        sweeps.write(folder, name="r", budget={"trials": trials})
        sweeps.sweep(folder)
    monkeypatch.chdir(folder)
    assert re.search(
        r"^r-\d: .* best of 2 configurations", best.best_trial(folder / "sweeps/r").reason
    )


def test_asks_for_a_name_when_there_are_several_sweeps(tmp_path):
    """The error lists the sweeps."""
    with pytest.raises(InputError, match="name a sweep or experiments; sweeps here: none"):
        best.find_sweep([], tmp_path)
    for name in ("a", "b"):
        (tmp_path / "sweeps" / name).mkdir(parents=True)
        (tmp_path / "sweeps" / name / "id").touch()
    with pytest.raises(InputError, match="sweeps here: a, b"):
        best.find_sweep([], tmp_path)
    assert best.find_sweep(["b"], tmp_path) == "b"
    assert best.find_sweep(["c"], tmp_path) is None
    with pytest.raises(InputError, match="no trial has finished, so there is no best"):
        best.select([], 1, "f1", greater_is_better=True)


def test_a_score_that_is_not_finite_is_refused(monkeypatch):
    """The error names the experiment, the metric and the value."""
    run = SimpleNamespace(name="e-1", parameters=SimpleNamespace(seed=1), read=lambda path: "")
    monkeypatch.setattr(best.experiments, "finished", lambda names: [run])
    monkeypatch.setattr(best.experiments, "by_parameters", lambda runs, without: [runs])
    monkeypatch.setattr(best.objective, "model_score", lambda *_: float("nan"))
    with pytest.raises(InputError, match="e-1: f1 is nan; name only other experiments"):
        best.best_experiment(["e-1"], "f1")


def test_a_sweep_of_an_earlier_version_is_named(tmp_path):
    """It had another attribute for what it started from."""
    folder = tmp_path / "s"
    folder.mkdir()
    opened = storage.open_storage(storage.local_url(folder))
    study = optuna.create_study(storage=opened, study_name="s")
    with pytest.raises(InputError, match="the sweep s has not started a trial"):
        best.best_trial(folder)
    study.set_user_attr("begun", {"commit": "c"})
    with pytest.raises(InputError, match="an earlier version of temper ran the sweep s; name its"):
        best.best_trial(folder)


@pytest.mark.usefixtures("local_store")
def test_registers_a_model_once(tmp_path, monkeypatch):
    """Registering again gives the same version, the alias moves, invalid names are refused."""
    monkeypatch.chdir(tmp_path)
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "model.safetensors").write_bytes(b"w")
    with pytest.raises(InputError, match="no MLflow run has the exported model"):
        model_registry.register("m", weights, "candidate")
    with pytest.raises(InputError, match="m has no version with the alias candidate: temper best"):
        model_registry.promote("m", "candidate", "champion")
    client = store.connect()
    tags = {"model_sha256": artifacts.sha256_file(weights / "model.safetensors")}
    run_id = client.create_run(store.experiment_id(client), tags=tags).info.run_id
    client.set_tag(run_id, "stage.export", "FINISHED")
    client.set_tag(run_id, "mlflow.note.content", "its scores")
    client.log_text(run_id, "flavors: {}\n", "model/MLmodel")
    monkeypatch.setattr(summary, "WEIGHTS", weights)
    assert summary.served_run() == run_id
    assert model_registry.register("m", weights, "candidate") == "1"
    assert model_registry.register("m", weights, "candidate") == "1"
    assert model_registry.promote("m", "candidate", "champion") == "1"
    version = client.get_model_version_by_alias("m", "champion")
    assert (version.run_id, version.description) == (run_id, "its scores")
    with pytest.raises(InputError, match="--promote a b: Invalid alias name"):
        model_registry.promote("m", "candidate", "a b")
    with pytest.raises(InputError, match=r"export\.name 'a/b': MLflow's registry does not allow /"):
        model_registry.check_name("a/b")
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    assert tracking.is_off()
    with pytest.raises(
        InputError, match="TEMPER_TRACKING is off, but the model registry is MLflow's"
    ):
        model_registry.check_name("m")


@pytest.mark.slow
def test_a_sweep_of_the_real_stages_ends_in_the_registry(origin, tmp_path, monkeypatch, capsys):
    """Killed, it continues from a checkpoint; a pruned trial is KILLED; test is scored once.

    It is evaluated often, so that a fast machine does not end it before it can be stopped.
    """
    folder = clone(origin, tmp_path / "clone", cache=True)
    set_params(folder, train__save_every=10, train__evaluate_every=1, train__epochs=15)
    parameters = {"train.learning_rate": {"choice": [1e-3, 1e-9]}}
    prune = {"after_trials": 1, "after_evaluations": 1}
    changes = {"parameters": parameters, "prune": prune, "objective": "validation.loss"}
    sweeps.write(folder, **GRID | changes)
    child = start(folder, "temper sweep")
    kill_once(folder, "checkpoints/*/checkpoint-*", child)
    done = run(folder, "temper sweep")
    assert "1 finished, 1 stopped early" in done.stdout, done.stdout + done.stderr
    for number in (0, 1):
        text = (folder / f"sweeps/s/logs/{number}.log").read_text()
        assert "Running stage 'tokenize'" not in text
        assert "Running stage 'train'" in text
        assert "Running stage 'evaluate'" not in text
    assert "resuming from step" in (folder / "sweeps/s/logs/0.log").read_text()
    assert "stopped by SIGTERM" in (folder / "sweeps/s/logs/1.log").read_text()
    assert not list((folder / "checkpoints").iterdir())
    assert sweeps.experiments(folder) == ["s-0"]
    done = run(folder, "temper best")
    assert done.stdout.count("Running stage 'evaluate'") == 1
    assert "registered sample-paraphrase version 1 as candidate" in done.stdout
    monkeypatch.chdir(folder)
    best.best(promote="champion")
    assert "is now champion" in capsys.readouterr().out
    client = tracked(folder)
    runs = client.search_runs([store.experiment_id(client)], "tags.sweep = 's'")
    found = {one.info.run_name: one for one in runs}
    assert {n: r.info.status for n, r in found.items()} == STATUSES
    parent = found["s"].info.run_id
    assert [found[n].data.tags["mlflow.parentRunId"] for n in ("s-0", "s-1")] == [parent] * 2
    assert found["s-0"].data.metrics.keys() > {"test/accuracy"}
    assert "test/accuracy" not in found["s-1"].data.metrics
    champion = client.get_model_version_by_alias("sample-paraphrase", "champion")
    assert champion.run_id == found["s-0"].info.run_id


def test_a_registry_that_does_not_answer_is_one_line(tmp_path, monkeypatch):
    """Also one that accepts and says nothing; nothing is left to clean up."""
    (tmp_path / "model.safetensors").touch()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (1, silent.getsockname()[1]):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{port}")
            monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
            message = r"^MLflow's registry: http://.*127\.0\.0\.1:\d+ cannot be reached; then rerun"
            with pytest.raises(InputError, match=message) as caught:
                model_registry.promote("m", "candidate", "champion")
            assert "secret" not in str(caught.value)
            with pytest.raises(InputError, match=message):
                model_registry.register("m", tmp_path, "candidate")
