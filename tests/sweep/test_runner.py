"""Each trial of a sweep runs once, whatever kills it."""

import os
import re
import signal
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow.tracking import MlflowClient

from temper.cli import best
from temper.core.errors import InputError
from temper.sweep import runner, sweep_config
from tests.helpers import processes, servers, sweeps
from tests.helpers.repository import clone, run, set_params
from tests.helpers.studies import in_memory, loaded, run_through, stub_score
from tests.helpers.tables import cells
from tests.helpers.waiting import LIMIT_S


def test_interrupted_trials_wait_for_a_worker_without_an_owner(tmp_path, monkeypatch):
    """Else a worker with the process id of an earlier one would fail them when it dies.

    The time of work counts also while no budget limits it.
    """
    config, _ = loaded(tmp_path)
    study = in_memory(config)
    trial = study.next()
    seen = {}

    def spawn(**_):
        seen.update(owners=[t.user_attrs["process"] for t in study.running()])
        return SimpleNamespace(start=lambda: None, exitcode=0)

    monkeypatch.setattr(runner, "SPAWN", SimpleNamespace(Process=spawn))
    monkeypatch.setattr(runner, "stop", lambda *_: None)
    assert trial.user_attrs["process"] == os.getpid()
    runner.run(SimpleNamespace(config=config), study, 1, [], lambda: None)
    assert seen["owners"] == [None]
    assert study.optuna.user_attrs["seconds:folder"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("method", "trials"), [("random", 5), ("tpe", 12)])
def test_sweep_killed_twice_ends_like_an_uninterrupted_one(repository, method, trials):
    """It has the same trials, each once, and the same best one."""
    sweeps.write(repository, method=method, budget={"trials": trials})
    for lines in (4, 2 * trials - 3):
        sweeps.kill_when(repository, sweeps.start(repository), lines)
    text = sweeps.sweep(repository)
    quiet = run_through(in_memory(sweep_config.load(repository / "sweep.yaml")), stub_score)
    found = sweeps.trials(repository)
    assert [trial.state.name for trial in found] == ["COMPLETE"] * trials
    assert [trial.params for trial in found] == [result.user_attrs["values"] for result in quiet]
    assert [trial.value for trial in found] == pytest.approx([result.value for result in quiet])
    best = max(quiet, key=lambda result: result.value)
    winner = next(row for row in cells(text) if row[0].isdigit())
    assert winner[:2] == [str(best.number), f"{best.value:.4f}"]
    assert sweeps.experiments(repository) == sorted(f"s-{i}" for i in range(trials))
    told = Counter(sweeps.said(repository))
    assert told["tokenize s-0"] == 1
    assert sum(name.startswith("tokenize") for name in told) == 1
    again = [line for line, times in told.items() if times > 1]
    assert len({line.split()[1] for line in again}) <= 2  # the two that were killed
    assert not list((repository / "sweeps/s").glob("worker-0/*"))
    assert len(run(repository, "git worktree list").stdout.splitlines()) == 1


@pytest.mark.slow
def test_interrupted_sweep_continues_and_leaves_no_process(repository):
    """Ctrl-C and kill -9 of the sweep both stop the training by SIGTERM."""
    sweeps.write(repository)
    child = sweeps.start(repository, STUB_SLEEP="600")
    sweeps.wait_for(repository, child, "train s-0")
    os.killpg(child.pid, signal.SIGINT)
    text, _ = child.communicate(timeout=LIMIT_S)
    assert child.returncode == 130, text
    assert "interrupted; rerun the same command to resume" in text
    assert sweeps.said(repository)[-1] == "stopped s-0"
    child = sweeps.start(repository, STUB_SLEEP="600")
    sweeps.wait_for(repository, child, "train s-0", times=2)
    child.kill()
    child.communicate()
    processes.wait_for_none(repository)
    assert Counter(sweeps.said(repository))["stopped s-0"] == 2
    sweeps.sweep(repository)
    assert Counter(sweeps.said(repository))["trained s-0"] == 1
    assert sweeps.experiments(repository) == ["s-0", "s-1", "s-2"]


@pytest.mark.slow
def test_crashed_trials_do_not_end_a_grid(repository):
    """Two workers run it; conditions hold, and the rest is ranked by mean."""
    set_params(repository, train__weight_averaging=None)
    parameters = {
        "train.lr_scheduler_type": {"choice": ["linear", "cosine"]},
        "train.batch_size": {"choice": [7, 8], "when": {"train.lr_scheduler_type": "cosine"}},
    }
    changes = {"method": "grid", "parameters": parameters, "seeds": [1, 3]}
    sweeps.write(repository, **changes, budget=None, seed=None)
    text = sweeps.sweep(repository, "-j", "2")
    assert "4 finished, 2 failed" in text
    assert text.count("failed: seven rows are too few; log ") == 2
    rows = [row for row in cells(text) if "2 of 2" in row]
    base = stub_score({"train.learning_rate": 1e-3}) - 0.02
    means = [f"{base + 0.03:.4f} ± 0.0141", f"{base + 0.02:.4f} ± 0.0141"]
    assert [row[1:] for row in rows] == [
        [means[0], "2 of 2", "cosine", "8"],
        [means[1], "2 of 2", "linear", ""],
    ]
    failed = [trial for trial in sweeps.trials(repository) if trial.state.name == "FAIL"]
    assert {trial.params["train.batch_size"] for trial in failed} == {7}
    log = Path(failed[0].user_attrs["log"]).read_text()
    assert "error: seven rows are too few" in log
    before = sweeps.said(repository)
    assert len([line for line in before if line.startswith("trained")]) == 4
    assert len([line for line in before if line.startswith("tokenize")]) == 1
    assert "4 finished, 2 failed" in sweeps.sweep(repository)
    assert sweeps.said(repository) == before
    shown = run(repository, "dvc exp show --csv --only-changed").stdout
    assert len([name for name in sweeps.experiments(repository) if name in shown]) == 4


@pytest.mark.slow
def test_a_sweep_of_failures_fails_with_the_cause(repository, monkeypatch):
    """Also where `temper` is called by its path; `temper best` says the same."""
    parameters = {"train.batch_size": {"choice": [7]}}
    sweeps.write(repository, method="grid", parameters=parameters, budget=None, seed=None)
    text = sweeps.sweep(repository, status=1, PATH="/usr/bin:/bin")
    failure = "all 1 trials of s failed, the last with: seven rows are too few (log "
    assert f"error: {failure}" in text
    assert "rm -r sweeps/s\n" in text
    assert "temper best" not in text
    monkeypatch.chdir(repository)
    with pytest.raises(InputError, match=re.escape(failure)):
        best.best_trial(repository / "sweeps/s")


@pytest.mark.slow
def test_prunes_trials_below_the_median(repository):
    """SIGTERM stops a pruned trial, which leaves no experiment and no checkpoint."""
    parameters = {"train.learning_rate": {"choice": [1e-3, 1e-2]}}
    prune = {"after_trials": 1, "after_evaluations": 0}
    changes = {"method": "grid", "parameters": parameters, "prune": prune}
    sweeps.write(repository, **changes, budget=None, seed=None)
    text = sweeps.sweep(repository, STUB_SLEEP="0.8", STUB_HANGS="s-1", TEMPER_TRACKING="on")
    assert "trial 1: stopped early: accuracy 0.5839 at evaluation 1" in text
    assert "1 finished, 1 stopped early" in text
    assert "#/experiments/1/runs?" in text
    (above,) = MlflowClient(f"sqlite:///{repository}/mlflow.db").search_runs(["1"])
    assert above.data.tags["sweep"] == "s"
    score = sweeps.trials(repository)[0].value
    assert above.data.tags["best"] == f"accuracy {score:.4f}  train.learning_rate=0.001"
    assert above.data.metrics == {}
    assert sweeps.said(repository)[-1] == "stopped s-1"
    assert sweeps.experiments(repository) == ["s-0"]
    assert not list((repository / "checkpoints").iterdir())
    pruned = sweeps.trials(repository)[1]
    assert pruned.state.name == "PRUNED"
    assert pruned.intermediate_values == {1: pytest.approx(0.5838889)}


@pytest.mark.slow
def test_two_clones_share_one_database(template, tmp_path):
    """On Postgres no trial runs twice and both see all results."""
    server, url = servers.postgres(tmp_path)
    children = []
    try:
        server.start()
        folders = [clone(template, tmp_path / name) for name in ("one", "two")]
        for folder in folders:
            sweeps.write(folder, budget={"trials": 8}, storage=url, seeds=[1, 2])
        both = "\n".join(str(sweeps.log(folder)) for folder in folders)
        children += [sweeps.start(folder, STUB_PEERS=both) for folder in folders]
        texts = sweeps.outputs(children)
        assert all("8 finished" in text for text in texts)
        told = [line for f in folders for line in sweeps.said(f) if line.startswith("trained")]
        assert len({*told}) == len(told) == 8  # a number may be of none: see `Study.claim`
        made = [f"trained {name}" for folder in folders for name in sweeps.experiments(folder)]
        assert sorted(told) == sorted(made)
        found = [t for t in sweeps.trials(folders[0], storage=url) if t.state.name == "COMPLETE"]
        assert sorted(t.user_attrs["position"] for t in found) == list(range(8))
        assert all(sweeps.experiments(folder) for folder in folders)
    finally:
        for child in children:
            sweeps.kill(child)
        server.kill()
        server.remove()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_trial_of_a_killed_clone_is_taken_over(template, tmp_path):
    """It keeps its values and seed under a new number, and every trial has the right score."""
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    lost, alive = (clone(template, tmp_path / name) for name in ("lost", "alive"))
    for folder in (lost, alive):
        sweeps.write(folder, budget={"trials": 4}, storage=url, seeds=[1, 2])
    killed = sweeps.start(lost, STUB_SLEEP="600")
    sweeps.wait_for(lost, killed, "train s-0")
    child = sweeps.start(alive)
    sweeps.wait_for(alive, child, "trained s-3")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    sweeps.forget_heartbeats(url)
    text, _ = child.communicate(timeout=LIMIT_S)
    assert child.returncode == 0, text
    assert "4 finished" in text
    first, *others = sweeps.trials(alive, storage=url)
    assert first.state.name == "FAIL"
    others.sort(key=lambda trial: trial.user_attrs["position"])
    assert [trial.number for trial in others] == [4, 1, 2, 3]
    quiet = run_through(in_memory(sweep_config.load(alive / "sweep.yaml")), stub_score)
    for name in ("values", "seed"):
        assert [t.user_attrs[name] for t in others] == [t.user_attrs[name] for t in quiet]
    assert [trial.value for trial in others] == pytest.approx([trial.value for trial in quiet])
    assert first.user_attrs["values"] == others[0].user_attrs["values"]
    assert sweeps.experiments(alive) == [f"s-{i}" for i in (1, 2, 3, 4)]
