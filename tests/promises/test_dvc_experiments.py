"""DVC's own commands for experiments work on the real stages; each trial is one run in MLflow."""

import json
import subprocess
import sys

import pytest

from temper.tracking import store
from tests.helpers.repository import clone, commit, ran, run, tracked, variables
from tests.helpers.waiting import LIMIT_S, wait_until
from tests.helpers.workspace import ROOT

pytestmark = pytest.mark.slow
GRID = (
    "dvc exp run --queue -S train.learning_rate=choice(0.0005,0.002) -S seed=range(1,2) "
    "-S train.epochs=1 train"
)


@pytest.fixture(scope="module")
def folder(origin, tmp_path_factory):
    """Return a clone in which a grid of two trials was queued, and two workers have ended it.

    A commit comes between: the trials belong to the one before.
    """
    found = clone(origin, tmp_path_factory.mktemp("experiments") / "clone", cache=True)
    run(found, f"dvc remote add -d store {found.parent / 'store'}")
    commit(found, "remote")
    run(found, "git tag baseline")
    run(found, GRID)
    (found / "note.txt").write_text("later")
    commit(found, "later")
    run(found, "dvc queue start -j 2")
    wait_until(
        lambda: not {"Running", "Queued"} & set(run(found, "dvc queue status").stdout.split())
    )
    return found


def shown(folder):
    """Return the commit that the trials began from, and theirs: name → row."""
    baseline = run(folder, "git rev-parse baseline").stdout.strip()
    found = json.loads(run(folder, f"dvc exp show --json --rev {baseline}").stdout)
    (state,) = [row for row in found if row["rev"] == baseline]
    return baseline, {row["name"]: row["revs"][0] for row in state["experiments"]}


@pytest.fixture(scope="module")
def runs(folder):
    client = tracked(folder)
    (experiment,) = [e for e in client.search_experiments() if e.name == store.EXPERIMENT]
    return client.search_runs([experiment.experiment_id])


def test_grid_on_two_workers_is_one_run_per_trial(folder, runs):
    """A run has the experiment's name, metrics and baseline commit, and is found from it."""
    baseline, experiments = shown(folder)
    assert len(experiments) == 2
    by_name = {found.info.run_name: found for found in runs}
    assert by_name.keys() == experiments.keys()
    assert len(runs) == 2
    tried = set()
    for name, row in experiments.items():
        tags, parameters = by_name[name].data.tags, by_name[name].data.params
        assert tags["dvc.exp_name"] == name
        assert tags["dvc.baseline_rev"] == tags["mlflow.source.git.commit"] == baseline
        assert by_name[name].info.status == "FINISHED"
        its = row["data"]["params"]["params.yaml"]["data"]
        assert float(parameters["train.learning_rate"]) == its["train"]["learning_rate"]
        assert int(parameters["seed"]) == its["seed"]
        tried.add((parameters["train.learning_rate"], parameters["seed"]))
    assert tried == {("0.0005", "1"), ("0.002", "1")}


def test_trials_that_share_tokenization_do_not_tokenize(folder):
    """Only train has run in each."""
    for name in shown(folder)[1]:
        said = run(folder, f"dvc queue logs {name}").stdout
        stages = [line.split("'")[1] for line in said.splitlines() if "Running stage" in line]
        assert stages == ["train"]


def test_experiments_can_be_compared_applied_branched_and_pushed(folder, tmp_path):
    """Another clone gets an experiment with its model."""
    experiments = shown(folder)[1]
    one, other = sorted(experiments)[:2]
    changed = json.loads(run(folder, f"dvc exp diff {one} {other} --json").stdout)
    assert set(changed["params"]["params.yaml"]) <= {"train.learning_rate", "seed"}
    drawn = run(folder, f"dvc plots diff {one} {other} --json").stdout
    assert {f'"rev": "{name}"' in drawn for name in (one, other)} == {True}
    run(folder, f"dvc exp branch {one} chosen")
    run(folder, f"git init -q --bare {tmp_path / 'git'}")
    run(folder, f"git remote add shared {tmp_path / 'git'}")
    run(folder, "git push -q shared HEAD:main")
    run(folder, f"dvc exp push shared {one} {other}")
    second = tmp_path / "second"
    run(folder, f"git clone -q -b main {tmp_path / 'git'} {second}")
    for key, value in (("user.name", "test"), ("user.email", "test@example.org")):
        run(second, f"git config {key} {value}")
    run(second, f"dvc exp pull origin {one}")
    run(second, f"dvc exp apply {one}")
    model = "data/model/model.safetensors"
    its = run(folder, "git show chosen:dvc.lock").stdout
    assert (second / "dvc.lock").read_text() == its
    assert (second / model).exists()


def test_run_of_a_temporary_workspace_names_its_trainer(folder):
    """It has its own scores and files; the training's history is the other run's."""
    name = sorted(shown(folder)[1])[0]
    run(folder, f"dvc exp branch {name} first")
    run(folder, "git checkout -q -f first")
    run(folder, "dvc checkout --force --allow-missing")
    done = run(folder, "dvc exp run --temp --name again -S evaluate.num_worst_examples=3 evaluate")
    assert ran(done) == ["evaluate"]
    client = tracked(folder)
    query = "tags.`dvc.exp_name` = '{}'"
    (trainer,) = client.search_runs(["1"], query.format(name))
    (found,) = client.search_runs(["1"], query.format("again"))
    assert found.data.tags["trained_by"] == trainer.info.run_id
    assert found.data.metrics["train/loss"] == trainer.data.metrics["train/loss"]
    paths = {file.path for file in client.list_artifacts(found.info.run_id, "evaluation")}
    assert "evaluation/report.html" in paths


WORKER = """
import sys, time
from pathlib import Path
from temper import params, tracking
from temper.tracking import uploader
uploader.PATIENCE_S = 600  # four on few cores
Path(f"ready-{sys.argv[1]}").touch()
while not Path("go").exists():
    time.sleep(0.01)
with tracking.run("train", params.load(), fingerprint=sys.argv[1]) as run:
    run.log_metrics({"train/loss": 1.0}, 1)
"""


def test_four_workers_share_a_fresh_store(write_params, tmp_path):
    """They create database and experiment together, and leave four runs and no warning."""
    write_params()
    (tmp_path / "mlflow.db").unlink(missing_ok=True)
    known = variables(tmp_path, DVC_ROOT=str(tmp_path))
    known["PYTHONPATH"] = str(ROOT)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, f"f{i}"],
            env=known | {"DVC_EXP_NAME": f"exp-{i}"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(4)
    ]
    wait_until(lambda: len(list(tmp_path.glob("ready-*"))) == 4)
    (tmp_path / "go").touch()
    said = [worker.communicate(timeout=LIMIT_S)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4, said
    assert "warning" not in "".join(said)
    client = store.connect(f"sqlite:///{tmp_path / 'mlflow.db'}")
    found = client.search_runs(["1"])
    assert sorted(r.info.run_name for r in found) == [f"exp-{i}" for i in range(4)]
    assert {r.data.metrics["train/loss"] for r in found} == {1.0}
