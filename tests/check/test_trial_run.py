"""`temper check --run` tries all stages on a few rows and says how long all rows will take."""

import math
import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from temper import params
from temper.check import time_estimate, trial_run
from temper.cli import check
from temper.core import arrow
from temper.core.errors import InputError
from tests.helpers.checks import KEPT
from tests.helpers.workspace import link_code


@pytest.fixture
def repository(write_params, tmp_path):
    """Return a function that writes params.yaml in a folder with the pipeline."""

    def write(**changes):
        parameters = write_params(**changes)
        link_code(tmp_path, *KEPT)
        return parameters

    return write


def listing():
    """Return every file but DVC's own, with its time of change."""
    return {
        path: path.stat().st_mtime_ns
        for path in Path().rglob("*")
        if path.is_file() and not {"__pycache__", ".dvc"} & {*path.parts}
    }


@pytest.mark.slow
def test_runs_every_stage_and_leaves_nothing(repository, capsys):
    """The estimate has a line for each stage that ran, as has stderr when the stage ends."""
    repository(train__epochs=40.0)
    before = listing()
    check.check(run=True)
    assert listing() == before
    said, reported = capsys.readouterr()
    for stage in ("download", "tokenize", "train", "evaluate", "export"):
        assert f"│ {stage} " in said
        assert re.search(rf"^{stage}(@\w+)? \d+\.\d s$", reported, re.MULTILINE)
    assert "`dvc repro` takes about" in said


@pytest.mark.slow
def test_a_stage_that_fails_is_named_with_its_own_message(repository, tmp_path):
    """What fails after an epoch fails now, and nothing is left."""
    (tmp_path / "own.py").write_text("def picky(a, b):\n    return 1 / (len(a) - len(a))\n")
    parameters = repository(code={"own": "own.py"}, train__metric_for_best_model="own.picky")
    before = listing()
    message = r"^train fails in a trial run: train\.metric_for_best_model: picky fails: ZeroDiv"
    with pytest.raises(InputError, match=message), trial_run.trial_run(parameters):
        pass
    assert listing() == before


def test_commands_are_those_of_the_pipeline(repository):
    """Items of a `foreach` are commands of their own, in the order of the stages."""
    parameters = repository()
    commands = dict(trial_run.commands(parameters))
    assert list(commands) == [
        *("data_files@train", "data_files@validation", "data_files@test", "model_files@sample"),
        *("download@dataset", "download@model", "tokenize", "train", "evaluate", "export"),
    ]
    download = "exec python -m temper.core.run -m stages.download dataset "
    download += "data/files/dataset data/raw"
    assert commands["download@dataset"] == download
    assert not any("${" in command for command in commands.values())


def test_the_scratch_folder_reads_the_repository_and_writes_for_itself(repository, tmp_path):
    """Paths are absolute, and what stages write is not linked."""
    parameters = repository(
        train__weight_averaging={"kind": "last", "count": 5},
        train__class_weights="balanced",
        train__warmup_ratio=0.0,
        train__warmup_steps=500,
    )
    for name in ("checkpoints", "mlruns"):
        (tmp_path / name).mkdir()
    (tmp_path / "mlflow.db").touch()
    folder = tmp_path / "data/scratch"
    folder.mkdir()
    trial_run.make_workspace(folder, parameters)
    linked = {path.name for path in folder.iterdir() if path.is_symlink()}
    assert {"stages", "temper", "launch", "dvc.yaml", "tests"} <= linked
    assert not linked & {"data", "checkpoints", "mlruns", "mlflow.db", "params.yaml"}
    written = params.load(folder / "params.yaml")
    assert all(Path(path).is_absolute() for path in written.data.files.values())
    assert written.train.epochs * 2 == trial_run.STEPS  # of 32 rows in batches of 16
    assert written.train.weight_averaging is not None
    assert written.train.weight_averaging.count == 2
    assert written.train.warmup_steps == 1
    assert written.train.class_weights is None


def test_a_few_rows_have_the_labels_of_all(prepare):
    """32 rows of each split, with the labels in their shares."""
    parameters = prepare()
    before = arrow.load(Path("data/raw"))
    shares = Counter(before["train"]["label"])
    num_rows = {split: len(rows) for split, rows in before.items()}
    features = before["train"].features
    del before
    trial_run.cut_rows(Path("data/raw"), parameters)
    after = arrow.load(Path("data/raw"))
    assert {s: len(rows) for s, rows in after.items()} == {
        s: min(n, trial_run.ROWS) for s, n in num_rows.items()
    }
    assert after["train"].features == features
    for label, count in Counter(after["train"]["label"]).items():
        assert abs(count / 32 - shares[label] / num_rows["train"]) < 0.05


def test_a_trial_run_tries_thresholds_in_place_of_targets(write_params):
    """32 rows and a few steps reach no target."""
    point, abstain = {"label": "equivalent", "precision": 0.99}, {"accuracy": 0.99}
    parameters = write_params(evaluate__operating_point=point, evaluate__abstain=abstain)
    tree = parameters.model_dump(mode="json")
    tree["evaluate"] |= {"operating_point": point, "abstain": abstain}
    trial_run.shorten(tree, parameters)
    assert tree["evaluate"]["operating_point"] == {"label": "equivalent", "threshold": 0.5}
    assert tree["evaluate"]["abstain"] == {"threshold": 0.5}


def test_the_message_of_a_stage_is_its_error(tmp_path):
    """Progress bars and warnings before it are left out, and paths are those of the repository."""
    stderr = f"warning\n 10%|█\rerror: {tmp_path}/data/raw: broken\n  second line\n"
    assert trial_run.reason(stderr, tmp_path) == "data/raw: broken\n  second line"
    many = "\n".join(map(str, range(99)))
    assert trial_run.reason(many, tmp_path).split() == [str(n) for n in range(84, 99)]


def test_steps_and_evaluations_are_multiplied(write_params, tmp_path):
    """The first half of the steps warms up; time that was spent on these steps is taken off."""
    logged: dict[str, dict[int, float]] = {"train": {}, "validation": {0: 0.0}}
    now = 1.0
    for step in range(1, 9):
        now += 3.0 if step < 5 else 0.5
        logged["train"][step] = now
        if step in (4, 8):
            now += 2.0
            logged["validation"][step] = now
    folder = tmp_path / "scratch"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        database.execute("CREATE TABLE metrics (key TEXT, step INT, timestamp BIGINT)")
        for prefix, times in logged.items():
            for step, seconds in times.items():
                row = (f"{prefix}/loss", step, round(1000 * seconds))
                database.execute("INSERT INTO metrics VALUES (?, ?, ?)", row)
    parameters = write_params(train__epochs=3.0)  # in batches of 16, an evaluation per epoch
    run = trial_run.TrialRun(folder)
    rows = {"train": 160, "validation": 64}
    spent = now - logged["train"][1]
    found = time_estimate.training_s(run, parameters, rows, 20.0, 32)
    assert found == pytest.approx(3 * 10 * 0.5 + 3 * 2.0 * 2 - spent)
    for left in (2, 0):  # steps
        with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
            database.execute("DELETE FROM metrics WHERE step > ?", [left])
        assert math.isnan(time_estimate.training_s(run, parameters, rows, 20.0, 32))


def test_durations_in_words():
    """Seconds, minutes and hours."""
    seconds = (9.6, 600, 9000, math.nan)
    assert [*map(time_estimate.in_words, seconds)] == ["10 s", "10 min", "2.5 h", "unknown"]
