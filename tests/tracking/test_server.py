"""Whatever becomes of MLflow's server, training ends as without it; the server gets all, once."""

import os
import resource
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from temper import params, tracking
from temper.cli import sync
from temper.core import artifacts
from temper.core.errors import InputError
from temper.tracking import store, uploader
from tests.helpers import servers
from tests.helpers.tables import read_csv
from tests.helpers.waiting import LIMIT_S
from tests.helpers.workspace import ROOT, environment, link_code

pytestmark = pytest.mark.slow
PAUSE = """
import os, time
from pathlib import Path
from transformers import TrainerCallback

class Pause(TrainerCallback):
    def on_step_end(self, args, state, control, **_):
        mark = Path(os.environ.get("PAUSE", "none"))
        if state.global_step == 7 and mark.parent.is_dir() and mark.name != "none":
            mark.touch()
            while mark.exists():
                time.sleep(0.05)
"""
TARGETS = ("model", "checkpoints", "history")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Yield an MLflow server on SQLite, not started, and its address."""
    folder = tmp_path_factory.mktemp("server")
    found, uri = servers.mlflow_server(folder, f"sqlite:///{folder / 'mlflow.db'}")
    yield found, uri
    found.kill()


@pytest.fixture(scope="module")
def up(server):
    """Return how to have the server running, and its address."""
    found, uri = server

    def start():
        if found.child is None or found.child.poll() is not None:
            found.start()
        return uri

    return start


@pytest.fixture
def workspace(prepare):
    """Return a folder with tokenized data, in which a training pauses at step 7 of 18."""
    Path("pause.py").unlink(missing_ok=True)
    prepare(
        code={"pause": "pause.py"}, train__callbacks=["pause.Pause"], train__epochs=3.0,
        train__save_every=4,
    )  # fmt: skip
    Path("pause.py").write_text(PAUSE)
    link_code(Path())
    return Path.cwd()


def train(root, **more):
    """Start a training whose checkpoints and journals lie in `root`, and whose outputs do too."""
    root.mkdir(exist_ok=True)
    targets = [str(root / name) for name in TARGETS]
    command = [sys.executable, "-m", "stages.train", "data/tokenized", "data/base", *targets]
    known = environment(
        PYTHONPATH=str(ROOT), DVC_ROOT=str(root), GIT_CEILING_DIRECTORIES="/", **more
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=known, text=True, start_new_session=True, **pipes)


def ended(child):
    """Wait for a training to end well; return what it said."""
    out, err = child.communicate(timeout=LIMIT_S)
    assert child.returncode == 0, out[-2000:] + err[-4000:]
    return err


def rows(root, name):
    return read_csv(root / "history" / f"{name}.csv")


def assert_is_recorded(root, uri, experiment):
    """The one run of the experiment has each number of the history, once, and the files."""
    client = store.connect(uri)
    (run,) = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    for name in ("train", "validation"):
        written = rows(root, name)
        for column in written[0].keys() - {"step", "epoch"}:
            found = client.get_metric_history(run.info.run_id, f"{name}/{column}")
            assert [m.step for m in found] == [int(row["step"]) for row in written], column
            values = [float(row[column]) for row in written]
            assert [m.value for m in found] == pytest.approx(values, rel=1e-6), column
    assert run.info.status == "FINISHED"
    assert run.data.params["train.learning_rate"] == "0.001"
    assert {f.path for f in client.list_artifacts(run.info.run_id, "history")} == {
        "history/train.csv",
        "history/validation.csv",
    }
    assert len(run.inputs.dataset_inputs) == 3


@pytest.mark.parametrize("trouble", ["killed", "disk full"])
def test_server_failing_in_mid_training_changes_nothing(
    workspace, tmp_path, up, server, monkeypatch, capsys, trouble
):
    """The weights are the same after one warning, and `temper sync` sends everything once."""
    uri, experiment, mark = up(), trouble.replace(" ", "-"), tmp_path / "paused"
    quiet = train(tmp_path / "quiet", TEMPER_TRACKING="off")
    known = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_EXPERIMENT_NAME": experiment}
    child = train(tmp_path / "tracked", PAUSE=str(mark), **known)
    client = store.connect(uri)
    servers.wait_until(lambda: mark.exists() and num_numbers(client, experiment) == 6)
    server[0].kill() if trouble == "killed" else server[0].limit_files(1)
    mark.unlink()
    said = ended(child)
    assert said.count("warning: tracking: ") == 1, said
    assert "temper sync" in said
    ended(quiet)
    same = [artifacts.sha256_tree(tmp_path / r / "model") for r in ("quiet", "tracked")]
    assert same[0] == same[1]
    if trouble == "disk full":
        server[0].limit_files(-1)
    up()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "tracked"))
    sync.sync()
    said = capsys.readouterr().out
    assert f"{uri}/#/experiments/" in said
    assert_is_recorded(tmp_path / "tracked", uri, experiment)
    sync.sync()
    assert capsys.readouterr().out == "nothing to send\n"
    assert [p.suffix for p in (tmp_path / "tracked/tracking").iterdir() if p.is_dir()] == []


def num_numbers(client, experiment):
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id]) if found else []
    if not runs or "train/loss" not in runs[0].data.metrics:
        return 0
    return len(client.get_metric_history(runs[0].info.run_id, "train/loss"))


def test_training_killed_offline_and_resumed_online_is_one_run(workspace, tmp_path, up, server):
    """Each step is there once, whichever of the two made it."""
    uri, mark, root = server[1], tmp_path / "paused", tmp_path / "killed"
    server[0].kill()
    known = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_EXPERIMENT_NAME": "resumed"}
    child = train(root, PAUSE=str(mark), **known)
    saved = "checkpoints/*/checkpoint-4"  # by a thread, perhaps after the training paused
    servers.wait_until(lambda: mark.exists() and any(root.glob(saved)))
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    assert len(list((root / "tracking").glob("*.jsonl"))) == 1
    up()
    said = ended(train(root, **known))
    assert "resuming from step 4" in said
    assert "warning" not in said
    assert list((root / "tracking").glob("*.jsonl")) == []
    assert_is_recorded(root, uri, "resumed")


def test_lost_answers_duplicate_nothing(write_params, up, monkeypatch, capsys):
    """Each kind of request is obeyed, but its first answer never arrives."""
    import requests

    uri, lost, real = up(), set(), requests.Session.request

    def lossy(session, method, url, **options):
        answer, kind = real(session, method, url, **options), (method, url.split("?")[0])
        if kind not in lost:
            lost.add(kind)
            raise requests.ConnectionError("the answer is lost")
        return answer

    monkeypatch.setattr(requests.Session, "request", lossy)
    monkeypatch.setattr(uploader, "RETRY_S", (0.01, 0.02))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "lossy")
    parameters = write_params(model__config={f"note_{i}": i for i in range(60)})
    Path("dvc.yaml").touch()
    with tracking.run("train", parameters, fingerprint="lossy") as run:
        for step in range(1, 2001):
            run.log_metrics({"train/loss": 1 / step, "train/norm": step}, step)
        run.log_artifact(Path("params.yaml"), "copies")
    for _ in range(20):
        try:
            sync.sync()
            break
        except InputError:
            continue
    assert len(lost) > 8
    assert capsys.readouterr().err.count("warning: tracking: ") == 1
    client = store.connect(uri)
    (found,) = client.search_runs([client.get_experiment_by_name("lossy").experiment_id])
    for name in ("train/loss", "train/norm"):
        steps = Counter(m.step for m in client.get_metric_history(found.info.run_id, name))
        assert steps == Counter(range(1, 2001))
    assert len(found.data.params) == len(params.flatten(parameters)) > 100
    assert found.info.status == "FINISHED"


def test_full_disk_keeps_the_journal_in_memory(write_params, up, monkeypatch, capsys):
    """It warns once, and a reachable server gets everything."""
    uri = up()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "room")
    parameters = write_params()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with tracking.run("train", parameters, fingerprint="room") as run:
        (file,) = Path("tracking").glob("*.jsonl")
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 20, limits[1]))
        try:
            for step in range(1, 11):
                run.log_metrics({"train/loss": 1 / step}, step)
            run.log_artifact(Path("params.yaml"), "copies")
        finally:
            client = store.connect(uri)
            servers.wait_until(lambda: num_numbers(client, "room") == 10)
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    said = capsys.readouterr().err
    assert said.count("warning: tracking: ") == 1
    assert "tracking: File too large; the stage continues" in said
    assert list(Path("tracking").glob("*.jsonl")) == []


def test_survives_a_database_failure_behind_the_server(write_params, tmp_path, monkeypatch, capsys):
    """MLflow answers with errors meanwhile; afterwards everything arrives."""
    database, address = servers.postgres(tmp_path)
    server, uri = servers.mlflow_server(tmp_path, address)
    try:
        database.start()
        server.start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        parameters = write_params()
        Path("dvc.yaml").touch()
        with tracking.run("train", parameters, fingerprint="f") as run:
            run.log_metrics({"train/loss": 1.0}, 1)
            client = store.connect(uri)
            servers.wait_until(lambda: num_numbers(client, "temper") == 1)
            database.kill()
            run.log_metrics({"train/loss": 0.5}, 2)
        assert capsys.readouterr().err.count("warning: tracking: ") == 1
        with pytest.raises(InputError, match=f"{uri} (refused|answered with status 5)"):
            sync.sync()
        database.start()
        sync.sync()
        assert num_numbers(client, "temper") == 2
    finally:
        server.kill()
        database.kill()
        database.remove()
