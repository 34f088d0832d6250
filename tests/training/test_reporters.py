"""Reporters that `TEMPER_REPORT_TO` lists get what MLflow gets, and cannot stop a training."""

import json
import struct
import subprocess
from functools import partial
from pathlib import Path

import pytest

from stages import train
from temper.core.errors import InputError
from temper.tracking import store
from temper.training import checkpoint, reporters
from tests.helpers import stage_runs
from tests.helpers.training import BASE, TARGETS, assert_same, fit
from tests.helpers.workspace import environment, link_code


@pytest.fixture
def stage(prepare, monkeypatch):
    """Return a function that runs the whole stage, here or by its command, and reports."""

    def run(name, *, command, **changes):
        prepare(**changes)
        link_code(Path())
        monkeypatch.setenv("TEMPER_REPORT_TO", name)
        if not command:
            stage_runs.train()
            return
        launch = "python -m temper.training.launcher launch/single.yaml -m stages.train"
        words = [*launch.split(), "data/tokenized", str(BASE), *map(str, TARGETS)]
        more = {"PYTHONPATH": ".", "DVC_ROOT": str(Path.cwd())}
        done = subprocess.run(words, env=environment(**more), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]

    return run


def mlflow_history():
    """Return {metric: {step: value}} of the only run, in the reporters' names."""
    client = store.connect()
    (run,) = client.search_runs([store.experiment_id(client)])
    return {
        key.replace("validation/", "eval/"): {
            row.step: row.value for row in client.get_metric_history(run.info.run_id, key)
        }
        for key in run.data.metrics
        if key.startswith(("train/", "validation/"))
    }


def events(folder):
    """Return {tag: [(step, value), …]} of a folder of event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder)).Reload()
    return {
        tag: [(event.step, event.value) for event in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "command"), [("trainer", True), ("loop", False)])
def test_event_files_hold_what_mlflow_has(stage, engine, command):
    """Every step's loss, rate and norm and every score are in folders that nothing hashes."""
    stage("tensorboard,wandb", command=command, train__engine=engine)
    expected = mlflow_history()
    assert len(expected["train/loss"]) == 12
    assert {"eval/accuracy", "eval/loss", "train/grad_norm", "train/learning_rate"} <= set(expected)
    (folder,) = Path("tracking/tensorboard").iterdir()
    (key,) = [path.name for path in Path("checkpoints").iterdir()]
    assert folder.name == f"sample-paraphrase-{key}"
    found = events(folder)
    for name, steps in expected.items():
        assert dict(found[name]) == pytest.approx(steps, rel=1e-6), name
        assert len(found[name]) == len(steps)
    (file,) = Path("tracking/wandb").glob(f"offline-run-*/run-{key}.wandb")
    _, rows = wandb_rows(file)
    for name, steps in expected.items():
        assert values(rows, name) == pytest.approx(steps, rel=1e-6), name
    assert {path.parent for path in Path.cwd().rglob("*tfevents*")} == {folder.resolve()}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_resumed_training_continues_in_its_folder(prepare, monkeypatch, engine):
    """Each step is there once, and the weights are those without reporters."""
    changes = {"train__save_every": 4, "train__engine": engine}
    plain = fit(prepare(**changes, model__config={"hidden_dropout_prob": 0.1}), "plain")
    monkeypatch.setenv("TEMPER_REPORT_TO", "tensorboard")

    def killed(prefix, metrics, step):
        if step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(train.params.load(), "cut", killed)
    assert checkpoint.step_of(checkpoint.newest_complete(Path("work/cut"))) == 4
    monkeypatch.setenv("DVC_EXP_NAME", "another-name")
    assert_same(fit(train.params.load(), "cut"), plain)
    (folder,) = Path("tracking/tensorboard").iterdir()
    assert len(list(folder.iterdir())) == 2
    found = events(folder)
    assert plain.history.untrained is not None
    scored = [plain.history.untrained, *plain.history.validation]
    for rows, prefix in ((plain.history.train, "train"), (scored, "eval")):
        for name in rows[0].keys() - {"step", "epoch"}:
            expected = {row["step"]: row[name] for row in rows}
            assert dict(found[f"{prefix}/{name}"]) == pytest.approx(expected, rel=1e-6)
            assert len(found[f"{prefix}/{name}"]) == len(expected)


@pytest.mark.slow
def test_tensorboard_logging_dir_selects_the_folder(prepare, monkeypatch):
    """transformers reads the same variable; only every nth step is written where asked."""
    monkeypatch.setenv("TEMPER_REPORT_TO", "tensorboard")
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", "elsewhere")
    monkeypatch.setenv("TEMPER_LOG_EVERY", "4")
    fit(prepare(train__epochs=1.0, train__engine="loop"))
    assert [step for step, _ in events("elsewhere")["train/loss"]] == [4]
    assert [step for step, _ in events("elsewhere")["eval/loss"]] == [0, 6]
    assert not Path("tracking/tensorboard").exists()


@pytest.mark.slow
def test_members_of_a_soup_have_their_own_runs(prepare, monkeypatch):
    """They have their own steps, and the weights are those without reporters."""
    plain = fit(prepare(train__model_soup_size=2, train__epochs=1.0), "plain")
    monkeypatch.setenv("TEMPER_REPORT_TO", "tensorboard,wandb")
    soup = fit(train.params.load(), "reported")
    assert_same(soup, plain)
    for number, session in enumerate(soup.members, 1):
        (file,) = Path("tracking/wandb").glob(f"offline-run-*/run-reported-{number}.wandb")
        run, rows = wandb_rows(file)
        assert (run.project, run.display_name) == ("temper", "sample-paraphrase")
        expected = {row["step"]: row["loss"] for row in session.history.train}
        assert values(rows, "train/loss") == pytest.approx(expected, rel=1e-6)
        (folder,) = Path("tracking/tensorboard").glob(f"*-reported-{number}")
        assert dict(events(folder)["train/loss"]) == pytest.approx(expected, rel=1e-6)


def values(rows, name):
    """Return {step: value} of what W&B was told."""
    return {row["train/global_step"]: row[name] for row in rows if name in row}


def wandb_rows(file):
    """Return the run of a .wandb file, and its rows."""
    from wandb.proto import wandb_internal_pb2

    run, rows = None, []
    for data in log_records(file.read_bytes()[7:]):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.HasField("run"):
            run = record.run
        if record.HasField("history"):
            items = record.history.item
            rows.append({i.key or ".".join(i.nested_key): json.loads(i.value_json) for i in items})
    return run, rows


def log_records(log):
    """Yield the records of a LevelDB log, which follows a .wandb file's 7 bytes of header.

    Blocks of 32 KiB, the header counted; a piece is checksum, length, kind (4 is a record's last,
    1 its only one) and data; fewer than 7 bytes at the end of a block are padding.
    """
    at, record = 0, b""
    while at < len(log):
        left = 32768 - (at + 7) % 32768
        if left < 7:
            at += left
            continue
        _, size, kind = struct.unpack_from("<IHB", log, at)
        record += log[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            yield record
            record = b""


# -- failures ----------------------------------------------------------------------------------


@pytest.fixture
def recorder(monkeypatch):
    """Return a reporter that is named clearml; it notes events, and raises at `fails_at`."""
    from transformers import TrainerCallback
    from transformers.integrations import integration_utils

    class Recorder(TrainerCallback):
        fails_at, seen = None, []

        def _note(self, event, *_, **more):
            self.seen.append((event, more.get("logs")))
            if event == self.fails_at:
                raise OSError("the server is on fire")

        def __init__(self):
            self.seen.clear()
            for event in reporters.EVENTS:
                setattr(self, event, partial(self._note, event))
            self._note("init")

    known = integration_utils.INTEGRATION_TO_CALLBACK | {"clearml": Recorder}
    monkeypatch.setattr(integration_utils, "INTEGRATION_TO_CALLBACK", known)
    monkeypatch.setattr(integration_utils, "get_available_reporting_integrations", lambda: known)
    monkeypatch.setenv("TEMPER_REPORT_TO", "clearml,tensorboard")
    return Recorder


@pytest.mark.slow
def test_a_reporter_gets_every_event(prepare, recorder):
    """From the first to the last, with each loss and score, the same in both engines.

    Only the Trainer says at the end how long it took.
    """
    heard = {}
    for engine in ("trainer", "loop"):
        changes = {"train__engine": engine, "train__per_device_batch_size": 8}
        session = fit(prepare(train__epochs=1.0, train__save_every=4, **changes), engine)
        told = [(event, log) for event, log in recorder.seen if "train_runtime" not in (log or {})]
        heard[engine] = [event for event, _ in told]
        assert heard[engine][:3] == ["init", "on_init_end", "on_train_begin"]
        assert heard[engine][-1] == "on_train_end"
        logs = [log for event, log in recorder.seen if event == "on_log"]
        assert [log["loss"] for log in logs if "loss" in log] == pytest.approx(
            [row["loss"] for row in session.history.train], rel=1e-6
        )
        untrained, scores = (log for log in logs if "eval_accuracy" in log)
        assert session.history.untrained is not None
        assert untrained["eval_loss"] == session.history.untrained["loss"]
        assert scores["eval_loss"] == pytest.approx(session.history.validation[0]["loss"], rel=1e-6)
    assert heard["loop"] == heard["trainer"]
    assert {"on_substep_end", "on_pre_optimizer_step", "on_optimizer_step"} < set(heard["loop"])


@pytest.mark.slow
@pytest.mark.parametrize("event", ["init", "on_train_begin", "on_log", "on_train_end"])
def test_reporter_that_raises_is_disabled_with_one_warning(prepare, recorder, event, capsys):
    """The other reporters and the training continue."""
    recorder.fails_at = event
    session = fit(prepare(train__epochs=1.0, train__engine="loop"))
    assert len(session.history.train) == 6
    assert recorder.seen[-1][0] == event
    warning = "warning: tracking: clearml: the server is on fire; it is disabled for the rest"
    assert capsys.readouterr().err.count(warning) == 1
    (folder,) = Path("tracking/tensorboard").iterdir()
    assert len(events(folder)["train/loss"]) == 6


def test_only_the_first_process_reports(write_params, monkeypatch):
    """It does not report where nothing is to be recorded."""
    parameters = write_params()
    monkeypatch.setenv("TEMPER_REPORT_TO", "tensorboard")
    assert len(reporters.callbacks(parameters, "key")) == 1
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    assert reporters.callbacks(parameters, "key") == []
    monkeypatch.delenv("TEMPER_TRACKING")
    monkeypatch.setenv("RANK", "1")
    assert reporters.callbacks(parameters, "key") == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mlflow", "MLflow records every run anyway"),
        ("tensorbord", "unknown .did you mean 'tensorboard'"),
        ("comet_ml", "comet_ml is not installed"),
    ],
)
def test_names_unknown_and_missing_reporters(write_params, monkeypatch, name, message):
    """The error comes before any training."""
    monkeypatch.setenv("TEMPER_REPORT_TO", f" {name}")
    with pytest.raises(InputError, match=message):
        reporters.callbacks(write_params(), "key")
