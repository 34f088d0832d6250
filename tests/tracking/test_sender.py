"""Records are sent by a process of their own, which ends with the stage."""

import errno
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from temper.tracking import sender, store
from tests.helpers.waiting import wait_until
from tests.helpers.workspace import ROOT, environment

pytestmark = pytest.mark.slow
SAVING = """
def save(source, target):
    import mlflow

    if source.name == "refused":
        raise ValueError("no such model")
    target.mkdir(parents=True)
    (target / "MLmodel").write_text(mlflow.__version__)
"""
STAGE = """
import sys
from pathlib import Path
from temper import params, tracking
from saving import save
from temper.tracking import sender, uploader

uploader.PATIENCE_S = sender.CALL_PATIENCE_S = 600  # where other tests have the cores
tracking.begin()
with tracking.run("export", params.load(), fingerprint="f") as run:
    run.log_metrics({"test/f1": 0.5})
    run.log_artifact(Path("params.yaml"), "copies")
    run.log_model(save, Path(sys.argv[1]))
print("mlflow" in sys.modules)
"""
BEGUN = """
import sys
from temper import tracking
from temper.tracking import sender

tracking.begin()
print(sender._begun[0].process.pid, flush=True)
sys.stdin.read()
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a program that keeps its tracking in this folder."""
    known = environment(PYTHONPATH=f"{ROOT}{os.pathsep}.", DVC_ROOT=str(Path.cwd()))
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=known, text=True, **pipes)


def is_running(pid: str) -> bool:
    """Check for a process that is neither gone nor dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("source", ["data/export", "refused"])
def test_a_stage_records_all_without_mlflow(write_params, source):
    """Metrics, files and the end of the run; the model is saved there, or it is said why not."""
    write_params()
    Path("saving.py").write_text(SAVING)
    child = start(STAGE, source)
    out, err = child.communicate()
    assert (child.returncode, out.splitlines()[-1]) == (0, "False"), err
    client = store.connect()
    (run,) = client.search_runs(["1"])
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"test/f1": 0.5})
    paths = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert paths >= {"copies", "params.yaml"}
    if source == "refused":
        assert err == "warning: tracking: no MLflow model: no such model\n"
        assert client.search_logged_models(["1"]) == []
    else:
        assert err == ""
        assert [str(model.status) for model in client.search_logged_models(["1"])] == ["READY"]
    assert list(Path("tracking").glob("*.jsonl")) == []


@pytest.mark.parametrize("end", ["returns", "killed"])
def test_the_process_ends_with_a_stage_that_records_nothing(write_params, end):
    """Such as one that refuses its parameters, or that is killed while it imports."""
    write_params()
    child = start(BEGUN)
    assert child.stdout is not None
    pid = child.stdout.readline().strip()
    assert is_running(pid)
    if end == "killed":
        child.send_signal(signal.SIGKILL)
    assert child.communicate()[1] == ""
    wait_until(lambda: not is_running(pid))
    assert list(Path("tracking").glob("*.jsonl")) == []


def test_a_call_does_not_wait_for_a_slow_server(write_params, monkeypatch):
    """The model's folder is made by the stage itself."""
    write_params()
    monkeypatch.setattr(sender, "CALL_PATIENCE_S", 0.01)
    process = sender.SenderProcess()
    with process.turn:  # as while records are sent
        assert process.call(pickle.dumps((os.mkdir, "model"))) is None
        assert "File exists: 'model'" in str(process.call(pickle.dumps((os.mkdir, "model"))))
    process.close()
    assert Path("model").is_dir()
    assert process.send() == "the process that sends records has ended"


def test_a_stage_goes_on_where_the_process_cannot_start(write_params, monkeypatch, capfd):
    """It says why, as for a server that cannot be reached, and the records wait for `sync`."""
    from temper import params, tracking

    def fail(*_, **__):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    write_params()
    monkeypatch.setattr(sender.subprocess, "Popen", fail)
    monkeypatch.setattr(sender, "has_mlflow", lambda: False)
    tracking.begin()
    with tracking.run("train", params.load(), fingerprint="f") as run:
        run.log_metrics({"loss": 0.5})
    reason = "the process that sends records cannot start: Resource temporarily unavailable"
    assert reason in capfd.readouterr().err
    (journal,) = Path("tracking").glob("*.jsonl")
    assert "loss" in journal.read_text()


def test_an_interrupt_while_it_starts_is_not_its_own(tmp_path, monkeypatch):
    """Ctrl-C reaches it too, and what ends it is the end of the stage."""
    monkeypatch.chdir(tmp_path)
    Path("temper").mkdir()  # in place of the package: interrupted where its import begins
    stub = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nraise SystemExit(0)\n"
    Path("temper/__init__.py").write_text(stub)
    done = subprocess.run([sys.executable, "-c", sender.PROGRAM], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
