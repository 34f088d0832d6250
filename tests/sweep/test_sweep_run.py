"""The run above a sweep's runs."""

from pathlib import Path
from urllib.parse import parse_qs

import optuna

from temper.sweep import sweep_run
from temper.tracking import store


def test_address_of_the_trials_has_no_password(monkeypatch):
    """It leads to the sweep's trials, the least first where less is better."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@host:8/")
    address = sweep_run.page_url("7", "s", "loss", greater_is_better=False)
    page, _, query = address.partition("?")
    assert page == "https://host:8/#/experiments/7/runs"
    options = {name: values[0] for name, values in parse_qs(query).items()}
    assert options["searchFilter"] == "tags.sweep = 's'"
    assert options["orderByKey"] == "metrics.`validation/loss`"
    assert options["orderByAsc"] == "true"


def test_the_copy_of_the_plan_holds_no_password(local_store, tmp_path, monkeypatch):
    """The run has sweep.yaml with its storage masked."""
    monkeypatch.chdir(tmp_path)
    plan = tmp_path / "sweep.yaml"
    plan.write_text("name: s\nstorage: postgresql://me:secret@host/db\n")
    study = optuna.create_study()
    run_id = sweep_run.open_run("s", plan, study).run_id
    assert sweep_run.open_run("s", plan, study).run_id == run_id  # a restart
    (tmp_path / "copy").mkdir()
    copy = store.connect().download_artifacts(run_id, "sweep.yaml", str(tmp_path / "copy"))
    assert Path(copy).read_text() == "name: s\nstorage: postgresql://me:***@host/db\n"


def test_the_run_of_a_sweep_describes_its_trials(local_store, tmp_path, monkeypatch):
    """Those without a run of their own too; before the first has ended there is no table."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.yaml").write_text("name: s\n")
    run = sweep_run.open_run("s", tmp_path / "sweep.yaml", optuna.create_study())
    sweep_run.close(run, "KILLED", "", "")
    client = store.connect()
    assert "mlflow.note.content" not in client.get_run(run.run_id).data.tags
    sweep_run.close(run, "FINISHED", "accuracy 0.9", "| trial | accuracy |")
    tags = client.get_run(run.run_id).data.tags
    assert tags["best"] == "accuracy 0.9"
    assert tags["mlflow.note.content"].startswith("| trial | accuracy |\n\nA trial whose values")
