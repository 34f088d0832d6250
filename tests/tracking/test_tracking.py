"""One run per execution; a tracker that is away stops nothing and gets everything later."""

import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from temper import tracking
from temper.cli import sync
from temper.core.errors import InputError
from temper.tracking import run_tags, store, uploader
from tests.helpers import repository
from tests.helpers.waiting import LIMIT_S


@pytest.fixture
def client(tmp_path):
    from mlflow.tracking import MlflowClient

    return lambda: MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")


def only_run(client):
    (found,) = client.search_runs(["1"])
    return found


@pytest.mark.slow
def test_stages_of_one_execution_are_one_run(write_params, client):
    """It has parameters, steps, tags and artefacts of all stages, and is FINISHED."""
    parameters = write_params()
    with tracking.run("train", parameters, fingerprint="f") as run:
        for step in range(1, 4):
            run.log_metrics({"train/loss": 1 / step}, step)
    Path("note.txt").write_text("hello")
    with tracking.run("evaluate", parameters, fingerprint="f") as run:
        run.log_metrics({"test/accuracy": 0.5})
        run.log_artifact(Path("note.txt"), "notes")
    store = client()
    found = only_run(store)
    assert found.info.status == "FINISHED"
    assert found.data.params["train.learning_rate"] == "0.001"
    assert found.data.metrics["test/accuracy"] == 0.5
    assert [m.step for m in store.get_metric_history(found.info.run_id, "train/loss")] == [1, 2, 3]
    assert {a.path for a in store.list_artifacts(found.info.run_id)} == {
        "environment",
        "notes",
        "params.yaml",
    }
    assert list(Path("tracking").glob("*.jsonl")) == []


@pytest.mark.slow
def test_a_killed_training_continues_its_run(write_params, client, monkeypatch):
    """Another execution of the same fingerprint: the same run, no step twice.

    Once it has ended, one that trains anew has a run of its own, as has another clone.
    """
    parameters = write_params()

    def killed():
        with tracking.run("train", parameters, fingerprint="f") as run:
            run.log_metrics({"train/loss": 1.0}, 1)
            run.log_metrics({"train/loss": 0.9}, 2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert only_run(client()).info.status == "KILLED"
    monkeypatch.setattr(run_tags, "execution", lambda: "another")
    with tracking.run("train", parameters, fingerprint="f") as run:
        for step, loss in ((2, 0.9), (3, 0.8)):
            run.log_metrics({"train/loss": loss}, step)
    found = only_run(client())
    steps = [m.step for m in client().get_metric_history(found.info.run_id, "train/loss")]
    assert sorted(steps) == [1, 2, 3]
    assert found.info.status == "FINISHED"
    monkeypatch.setattr(run_tags, "execution", lambda: "a third")
    with tracking.run("train", parameters, fingerprint="f") as run:  # its checkpoints were deleted
        run.log_metrics({"train/loss": 1.0}, 1)
    monkeypatch.setattr(run_tags, "execution", lambda: "a fourth")
    monkeypatch.setattr(tracking.journal, "repository", lambda: "another clone")
    with tracking.run("train", parameters, fingerprint="f") as run:
        run.log_metrics({"train/loss": 1.0}, 1)
    others = [r for r in client().search_runs(["1"]) if r.info.run_id != found.info.run_id]
    assert len(others) == 2
    for other in others:
        assert "trained_by" not in other.data.tags
        steps = [m.step for m in client().get_metric_history(other.info.run_id, "train/loss")]
        assert steps == [1]


@pytest.mark.slow
def test_run_without_training_names_its_trainer(write_params, client, monkeypatch):
    """It has its own run with the history copied."""
    parameters = write_params()
    with tracking.run("train", parameters, fingerprint="f") as run:
        run.log_metrics({"train/loss": 1.0}, 1)
    trainer = only_run(client()).info.run_id
    monkeypatch.setattr(run_tags, "execution", lambda: "another")
    with tracking.run("train", parameters, fingerprint="f"):
        pass
    (found,) = [r for r in client().search_runs(["1"]) if r.info.run_id != trainer]
    assert found.data.tags["trained_by"] == trainer
    assert found.data.metrics["train/loss"] == 1.0


@pytest.mark.slow
def test_failed_stage_records_its_reason(write_params, client):
    """The run is FAILED, with the reason as a tag."""
    parameters = write_params()
    with pytest.raises(InputError), tracking.run("train", parameters, fingerprint="f"):
        raise InputError("no labels")
    found = only_run(client())
    assert found.info.status == "FAILED"
    assert found.data.tags["reason"] == "no labels"


@pytest.mark.slow
def test_unreachable_tracker_stops_nothing_and_gets_everything_later(
    write_params, client, monkeypatch, capsys
):
    """It warns once; the next stage that reaches a store sends the rest."""
    parameters = write_params()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with tracking.run("train", parameters, fingerprint="f") as run:
            run.log_metrics({"train/loss": 1.0}, 1)
    assert capsys.readouterr().err.count("warning: tracking") == 1
    assert len(list(Path("tracking").glob("*.jsonl"))) == 1
    Path("dvc.yaml").touch()
    with pytest.raises(InputError, match=r"not everything was sent, .*127\S+ cannot be reached;"):
        sync.sync()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.default_uri())
    sync.sync()
    assert only_run(client()).data.metrics["train/loss"] == 1.0


class Slow(BaseHTTPRequestHandler):
    """Answers once it may."""

    asked, may_answer, answered = threading.Event(), threading.Event(), threading.Event()

    def do_POST(self):
        self.asked.set()
        self.may_answer.wait(LIMIT_S)
        self.answered.set()
        self.send_error(503)

    do_GET = do_POST

    def log_message(self, *_):
        """Print nothing."""


@pytest.mark.slow
def test_slow_tracker_delays_no_step(write_params, monkeypatch, capsys):
    """Recording does not wait; the end waits for a while and keeps what was not sent."""
    parameters = write_params()
    monkeypatch.setattr(uploader, "PATIENCE_S", 1.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
        with tracking.run("train", parameters, fingerprint="f") as run:
            assert Slow.asked.wait(LIMIT_S)
            for step in range(200):
                run.log_metrics({"train/loss": 1.0}, step)
        assert not Slow.answered.is_set()
        Slow.may_answer.set()
        server.shutdown()
    for thread in threading.enumerate():  # it would go on in the next test's folder and store
        if isinstance(thread, uploader.Uploader):
            thread.join(LIMIT_S)
            assert not thread.is_alive()
    assert "is slow: not everything was sent within 1 s" in capsys.readouterr().err
    (journal,) = Path("tracking").glob("*.jsonl")
    assert journal.read_text().count('"metrics"') == 2 * 200


@pytest.mark.parametrize("text", ["0", "often", "-1"])
def test_log_interval_must_be_a_positive_number(monkeypatch, text):
    """The error comes before training."""
    monkeypatch.setenv("TEMPER_LOG_EVERY", text)
    with pytest.raises(InputError, match="TEMPER_LOG_EVERY is"):
        tracking.log_every()


@pytest.mark.slow
def test_both_engines_leave_the_same_record(prepare, client, monkeypatch):
    """Metric names, every step's numbers, artefacts and all parameters but the engine agree."""
    from tests.helpers import stage_runs
    from tests.helpers.workspace import link_code

    prepare()
    link_code(Path())
    for engine in ("trainer", "loop"):
        prepare(train__engine=engine, train__epochs=1.0)
        monkeypatch.setattr(run_tags, "execution", lambda engine=engine: engine)
        stage_runs.train()
    sync.sync()  # a busy machine: what the trainings could not wait for
    store = client()
    runs = {run.data.params["train.engine"]: run for run in store.search_runs(["1"])}
    one, other = runs["trainer"], runs["loop"]
    assert one.data.metrics.keys() == other.data.metrics.keys()
    differing = {k for k, v in one.data.params.items() if other.data.params[k] != v}
    assert differing == {"train.engine"}
    for name in one.data.metrics:
        mine, its = (store.get_metric_history(run.info.run_id, name) for run in (one, other))
        assert [m.step for m in mine] == [m.step for m in its]
        values = pytest.approx([m.value for m in its], rel=1e-4)
        assert name.startswith("system/") or [m.value for m in mine] == values, name
    assert one.data.metrics["system/total_flos"] == other.data.metrics["system/total_flos"]
    paths = [{a.path for a in store.list_artifacts(r.info.run_id)} for r in (one, other)]
    assert paths[0] == paths[1]


@pytest.mark.slow
def test_uses_an_experiment_that_another_worker_just_created(client, monkeypatch):
    """Both workers see none in a fresh store, and one creates it."""
    from temper.tracking import store

    mine, other = client(), client()
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    expected = other.create_experiment(store.EXPERIMENT)
    known = iter([None, other.get_experiment(expected)])
    monkeypatch.setattr(mine, "get_experiment_by_name", lambda name: next(known))
    assert store.experiment_id(mine) == expected


def test_a_lock_file_that_dvc_writes_is_no_change_of_yours(write_params):
    """`git_dirty` is about parameters, code and data; `dvc repro` always changes dvc.lock."""
    parameters = write_params()
    Path("dvc.lock").write_text("before")
    for command in ("git init -q", *repository.USER, "git add params.yaml dvc.lock"):
        subprocess.run(command.split(), check=True)
    subprocess.run(["git", "commit", "-qm", "start"], check=True)
    Path("dvc.lock").write_text("stage by stage")
    assert run_tags.of_run(parameters)["git_dirty"] == "false"
    Path("params.yaml").write_text("seed: 2")
    assert run_tags.of_run(parameters)["git_dirty"] == "true"


def test_reasons_are_plain_and_hold_no_password():
    """They have the address without its secrets and no chain of library calls."""
    uri = "http://me:secret@host:5000"
    busy = RuntimeError("Max retries (Caused by ResponseError('too many 503 error responses'))")
    assert (
        store.error_message(busy, uri)
        == "http://***@host:5000 answered with status 503; see its log"
    )
    assert (
        store.error_message(ValueError("odd\nmore"), uri)
        == "http://***@host:5000 refused the request: odd"
    )


def test_sync_asks_for_a_password_that_the_journal_omits(write_params, monkeypatch):
    """Outside the repository's root it says so."""
    write_params()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    left = tracking.journal.create("train-x-1", pytest.fail)
    left.write({"kind": "open", "time_ms": 1, "uri": store.recorded_uri()})
    left.close()
    assert "secret" not in left.path.read_text()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(InputError, match=r"there is no dvc\.yaml here; run this at the root"):
        sync.sync()
    Path("dvc.yaml").touch()
    with pytest.raises(InputError, match=r"secrets of http://\*\*\*@127\.0\.0\.1:9 are not stored"):
        sync.sync()
