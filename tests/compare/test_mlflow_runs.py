"""A run leads back to its files, and gives its costs."""

import re
import shutil

import pytest

from temper.cli import compare
from temper.compare import console_tables, mlflow_runs
from temper.core.errors import InputError
from tests.helpers import repository
from tests.helpers.tables import cells


def test_missing_store_is_one_line(tmp_path, monkeypatch):
    """No store is created, and one that does not answer is one line as well."""
    wanted = [(None, {}, {"test/accuracy": 0.5}, "a")]
    assert mlflow_runs.costs(wanted)[1].startswith("no time, latency or memory: there is no")
    assert not (tmp_path / "mlflow.db").exists()
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    assert mlflow_runs.costs(wanted)[1].endswith("TEMPER_TRACKING is off")
    monkeypatch.setenv("TEMPER_TRACKING", "on")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    found, reason = mlflow_runs.costs(wanted)
    assert found == [{}]
    assert reason.startswith("no time, latency or memory: http://127.0.0.1:1 cannot be")
    with pytest.raises(InputError, match=r"^run 0+: http://127.0.0.1:1 cannot be reached; name"):
        mlflow_runs.read_run("0" * 32)


@pytest.mark.usefixtures("local_store")
def test_costs_are_those_of_the_run_that_trained(tmp_path):
    """Runs are matched by scores and parameters; a reused training has its trainer's seconds."""
    from temper.tracking.store import connect, experiment_id

    client = connect()
    experiment = experiment_id(client)

    def make(seconds, steps_per_s, seed, **tags):
        run = client.create_run(experiment, tags=tags).info.run_id
        client.log_param(run, "seed", seed)
        numbers = {"train_time_s": seconds, "steps_per_s": steps_per_s, "model_latency_ms": seconds}
        for key, value in numbers.items():
            client.log_metric(run, f"system/{key}", value)
        client.log_metric(run, "test/accuracy", 0.938333)
        return run

    first = make(90.0, 10.0, 1)
    make(0.5, 0.0, 1, trained_by=first)
    make(70.0, 10.0, 2)
    wanted = [(None, {"seed": seed}, {"test/accuracy": 0.938333}, "a") for seed in (1, 2, 3)]
    found, reason = mlflow_runs.costs(wanted)
    assert [one.get("train_time_s") for one in found] == [90.0, 70.0, None]
    assert [one.get("model_latency_ms") for one in found] == [0.5, 70.0, None]
    assert found[0]["steps"] == 900
    assert reason == f"no run of 1 of them in {tmp_path / 'mlflow.db'}"
    table = console_tables.costs(["a", "b", "c"], [found[0] | {"share": 0.5}, found[1], found[2]])
    assert [row[1] for row in table.rows] == ["90.0 (50% of the steps)", "70.0", "–"]
    assert console_tables.costs(["a"], [{}]).rows == [["a", "–", "–", "–", "–"]]


@pytest.mark.slow
def test_finds_the_dvc_files_of_a_run(origin, tmp_path, monkeypatch, capsys):
    """Its metrics.json identifies them; seconds, latency and memory are beside the scores."""
    folder = repository.clone(origin, tmp_path / "clone", cache=True)
    shutil.copy(origin / "mlflow.db", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_ROOT", str(folder))
    monkeypatch.setenv("COLUMNS", "200")
    run_id = next(path.name for path in (origin / "mlruns").iterdir())
    compare.compare([run_id, "HEAD"], samples=500, html=tmp_path / "c.html")
    text = capsys.readouterr().out
    name = f"sample-paraphrase {run_id[:8]}"
    assert f"HEAD vs {name}: the same score on each of 24 test rows" in text
    (row,) = [row for row in cells(text.partition("\ncosts")[2]) if row[0] == "HEAD"]
    assert len(re.findall(r"\d\.\d+", " ".join(row))) == 8
    shutil.rmtree(folder / ".dvc/cache")
    shutil.rmtree(folder / "data/evaluation")
    with pytest.raises(
        InputError, match=r"run \w+: no commit or experiment of this repo\w+, nor workspace, has"
    ):
        compare.compare([run_id, "HEAD"], html=tmp_path / "c.html")
    with pytest.raises(
        InputError, match=r"HEAD: .*csv|metrics\.json is neither in DVC's cache nor"
    ):
        compare.compare(["HEAD", "workspace"], html=tmp_path / "c.html")
