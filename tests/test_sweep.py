"""`temper sweep` runs each trial once, whatever kills it, and says first what cannot be."""

import os
import re
import signal
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
import yaml
from mlflow.tracking import MlflowClient

from temper.cli import sweep as command
from temper.core import yaml_file
from temper.core.errors import InputError
from temper.sweep import (
    leases,
    objective,
    progress_display,
    ranking,
    space,
    start,
    storage,
    study,
    sweep_config,
    sweep_run,
    workspace,
)
from temper.sweep.results import Result
from temper.sweep.trial_monitor import TrialMonitor
from tests.helpers import servers, sweeps
from tests.helpers.repository import clone, run, set_params
from tests.helpers.workspace import ROOT

TREE = yaml.load((ROOT / "tests/params.yaml").read_text(), Loader=yaml_file.Loader)
RANGE = {"low": 1e-5, "high": 1e-2, "log": True}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return sweeps.make(tmp_path_factory.mktemp("sweeps") / "repository")


@pytest.fixture
def repository(template, tmp_path):
    """Return a clone of a repository whose stages are stubs."""
    folder = clone(template, tmp_path / "repository")
    (folder / ".dvc/config.local").write_text("[core]\n    analytics = false\n")
    return folder


def loaded(tmp_path, **changes):
    """Return a plan, and its file."""
    sweeps.write(tmp_path, **changes)
    return sweep_config.load(tmp_path / "sweep.yaml"), tmp_path / "sweep.yaml"


def in_memory(found, whole=None):
    """Return a study that no other process sees, as one process runs it to its end."""
    opened = storage.open_storage("sqlite://")
    held = leases.Leases(opened.engine, "folder", "process", alone=True)
    whole = whole or dict.fromkeys(found.parameters, False)
    return study.Study(found, opened, whole, held, greater=True)


def run_through(found, objective):
    """Run a study without processes; return its results."""
    while (trial := found.next(begin=True)) is not None:
        found.finish(trial, objective(trial.user_attrs["values"], trial.user_attrs["seed"]))
    return found.results()


def stub_score(values, seed=None):
    """Return what the stub's training scores: see tests/sweeps.py."""
    from math import log10

    rate, decay = values["train.learning_rate"], values.get("train.weight_decay", 0.1)
    return (
        0.9 - (log10(rate) + 3.5) ** 2 / 10 - decay / 9 + ((42 if seed is None else seed) % 5) / 100
    )


# -- killed and started again ------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("method", "trials"), [("random", 7), ("tpe", 12)])
def test_killed_twice_a_sweep_ends_as_an_uninterrupted_one(repository, method, trials):
    """kill -9 of the group: the same trials, each once, the same best one."""
    sweeps.write(repository, method=method, budget={"trials": trials})
    for lines in (4, 2 * trials - 3):
        sweeps.kill_when(repository, sweeps.start(repository), lines)
    text = sweeps.sweep(repository)
    quiet = run_through(in_memory(sweep_config.load(repository / "sweep.yaml")), stub_score)
    found = sweeps.trials(repository)
    assert [trial.state.name for trial in found] == ["COMPLETE"] * trials
    assert [trial.params for trial in found] == [result.values for result in quiet]
    assert [trial.value for trial in found] == pytest.approx([result.score for result in quiet])
    best = max(quiet, key=lambda result: result.score)
    assert re.search(rf"accuracy +┃.*\n.*\n│ {best.number} +│ {best.score:.4f}", text)
    assert sweeps.experiments(repository) == sorted(f"s-{i}" for i in range(trials))
    told = Counter(sweeps.said(repository))
    assert told["tokenize s-0"] == 1
    assert sum(name.startswith("tokenize") for name in told) == 1
    again = [line for line, times in told.items() if times > 1]
    assert len({line.split()[1] for line in again}) <= 2  # the two that were killed
    assert not list((repository / "sweeps/s").glob("worker-0/*"))
    assert len(run(repository, "git worktree list").stdout.splitlines()) == 1


@pytest.mark.slow
def test_interrupted_it_goes_on_and_leaves_no_process(repository):
    """Ctrl-C stops the training by SIGTERM; kill -9 of the sweep alone does too."""
    sweeps.write(repository)
    child = sweeps.start(repository, STUB_SLEEP="3")
    sweeps.wait_for(repository, child, "train s-0")
    os.killpg(child.pid, signal.SIGINT)
    text, _ = child.communicate(timeout=60)
    assert child.returncode == 130, text
    assert "interrupted; the same command goes on from here" in text
    assert sweeps.said(repository)[-1] == "stopped s-0"
    child = sweeps.start(repository, STUB_SLEEP="3")
    sweeps.wait_for(repository, child, "train s-0", times=2)
    child.kill()
    child.communicate()
    deadline = time.monotonic() + 60
    while processes_in(repository):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert Counter(sweeps.said(repository))["stopped s-0"] == 2
    sweeps.sweep(repository)
    assert Counter(sweeps.said(repository))["trained s-0"] == 1
    assert sweeps.experiments(repository) == ["s-0", "s-1", "s-2"]


def processes_in(folder):
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


# -- crashes, seeds, grids, pruning ---------------------------------------------------------------


@pytest.mark.slow
def test_a_crash_is_one_trial_of_a_grid_by_two_workers(repository):
    """Seven rows fail, by two seeds; the rest is ranked by mean; conditions hold; it stays so."""
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
    rows = re.findall(r"│ ([\d,]+) +│ (\S+ ± \S+) +│ (2 of 2) +│ (\w+) +│ (\d*) ", text)
    base = stub_score({"train.learning_rate": 1e-3}) - 0.02
    means = [f"{base + 0.03:.4f} ± 0.0141", f"{base + 0.02:.4f} ± 0.0141"]
    assert [row[1:] for row in rows] == [
        (means[0], "2 of 2", "cosine", "8"),
        (means[1], "2 of 2", "linear", ""),
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
def test_hopeless_trials_are_stopped(repository):
    """By the validation metric, with SIGTERM; no experiment and no checkpoint stays."""
    parameters = {"train.learning_rate": {"choice": [1e-3, 1e-2]}}
    prune = {"after_trials": 1, "after_evaluations": 0}
    changes = {"method": "grid", "parameters": parameters, "prune": prune}
    sweeps.write(repository, **changes, budget=None, seed=None)
    text = sweeps.sweep(repository, STUB_SLEEP="0.8", TEMPER_TRACKING="on")
    assert "trial 1: stopped early: accuracy 0.5839 at evaluation 1" in text
    assert "1 finished, 1 stopped early" in text
    assert "#/experiments/1/runs?workflowType=machine_learning&compareRunsMode=CHART" in text
    assert "searchFilter=tags.sweep%20%3D%20%27s%27&orderByKey=metrics.%60validation%2Facc" in text
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
    """Postgres: no trial twice, both see all results."""
    server, url = servers.postgres(tmp_path)
    try:
        server.start()
        folders = [clone(template, tmp_path / name) for name in ("one", "two")]
        for folder in folders:
            sweeps.write(folder, budget={"trials": 8}, storage=url, seeds=[1, 2])
        children = [sweeps.start(folder, STUB_SLEEP="0.1") for folder in folders]
        texts = [child.communicate(timeout=120)[0] for child in children]
        assert [child.returncode for child in children] == [0, 0], texts
        assert all("8 finished" in text for text in texts)
        told = [line for f in folders for line in sweeps.said(f) if line.startswith("trained")]
        assert sorted(told) == sorted(f"trained s-{i}" for i in range(8))
        made = [name for folder in folders for name in sweeps.experiments(folder)]
        assert sorted(made) == sorted(f"s-{i}" for i in range(8))
        assert all(sweeps.experiments(folder) for folder in folders)
    finally:
        server.kill()
        server.remove()  # type: ignore[attr-defined]


# -- without processes ----------------------------------------------------------------------------


def test_a_taken_over_trial_gets_the_same_values(tmp_path):
    """Of a TPE that knows nothing yet, and of one that has learned."""
    found, _ = loaded(tmp_path, method="tpe", budget={"trials": 16})
    quiet = [result.values for result in run_through(in_memory(found), stub_score)]
    assert len({values["train.learning_rate"] for values in quiet}) == 16
    killed = in_memory(found)
    for number in range(16):
        trial = killed.next(begin=True)
        assert trial.number == number
        if number in (3, 12):
            killed.leases.owner = f"folder/{number}"
            trial = killed.next(begin=True)
            assert trial.number == number
        killed.finish(trial, stub_score(trial.user_attrs["values"]))
    assert [result.values for result in killed.results()] == quiet


def test_a_trial_killed_in_mid_choice_gets_the_rest(tmp_path, monkeypatch):
    """The first parameter is kept, the second drawn as it would have been."""
    for method in ("random", "tpe"):
        found, _ = loaded(tmp_path, method=method, budget={"trials": 14})
        quiet = [result.values for result in run_through(in_memory(found), stub_score)]
        killed = in_memory(found)
        for number in range(14):
            if number == 12:
                with monkeypatch.context() as patch:
                    suggested = space.suggest

                    def one(trial, given, *more, suggested=suggested):
                        first = dict(list(given.parameters.items())[:1])
                        suggested(trial, given.model_copy(update={"parameters": first}), *more)
                        raise KeyboardInterrupt

                    patch.setattr(space, "suggest", one)
                    with pytest.raises(KeyboardInterrupt):
                        killed.next(begin=True)
                killed.leases.owner = "folder/a later process"
            trial = killed.next(begin=True)
            assert trial.number == number
            killed.finish(trial, stub_score(trial.user_attrs["values"]))
        assert [result.values for result in killed.results()] == quiet, method


def test_a_grid_counts_exactly(tmp_path):
    """A conditional parameter where its condition holds; steps hit both ends; seeds multiply."""
    parameters = {
        "train.lr_scheduler_type": {"choice": ["linear", "cosine"]},
        "train.warmup_ratio": {"low": 0.0, "high": 0.3, "step": 0.1},
        "train.weight_averaging": {
            "choice": [None, {"kind": "ema", "decay": 0.9}],
            "when": {"train.lr_scheduler_type": ["cosine"]},
        },
    }
    changes = {"method": "grid", "parameters": parameters, "seeds": [1, 2]}
    found, file = loaded(tmp_path, **changes, budget=None, seed=None)
    whole = space.check(found, TREE, file)
    results = run_through(in_memory(found, whole), lambda values, seed: float(seed))
    assert len(results) == (4 + 4 * 2) * 2
    assert {result.values["train.warmup_ratio"] for result in results} == {0.0, 0.1, 0.2, 0.3}
    seen = Counter(repr((result.values, result.seed)) for result in results)
    assert set(seen.values()) == {1}
    averaged = [r.values for r in results if "train.weight_averaging" in r.values]
    assert len(averaged) == 16
    assert {values["train.lr_scheduler_type"] for values in averaged} == {"cosine"}
    assert Counter(result.seed for result in results) == {1: 12, 2: 12}


def test_one_of_several_machines_gets_a_trial(tmp_path):
    """A lease is taken once; it is free when given back, or when its beats stand still."""
    opened = storage.open_storage(f"sqlite:///{tmp_path}/leases.db")
    one, two = (leases.Leases(opened.engine, name, "p", alone=False) for name in "ab")
    assert one.take(0)
    assert not two.take(0)
    held = two.current()[0]
    assert not two.is_dead(0, held)
    now = time.monotonic()
    two.seen[0] = (held, now - leases.STALE_S - 1)
    assert two.is_dead(0, held)
    one.beat()
    assert not two.is_dead(0, two.current()[0])
    one.give_back()
    free = two.current()[0]
    assert two.is_dead(0, free)
    assert two.take(0, free)
    assert not one.take(0, free)
    assert two.is_mine(0)
    assert not one.is_mine(0)


def test_workers_get_one_gpu_each(monkeypatch):
    """Of those that are visible; a training that takes all of them has no neighbour."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert command.devices(1, TREE) == []
    assert command.devices(3, TREE) == ["2", "3"]
    assert command.devices(2, space.with_values(TREE, {"train.launch": "cpu_2"})) == []
    with pytest.raises(InputError, match=r"-j 2: a training with launch/fsdp\.yaml takes ev"):
        command.devices(2, space.with_values(TREE, {"train.launch": "fsdp"}))


def test_the_winner_is_no_lucky_seed():
    """Configurations by mean, whole ones first; of its seeds the one nearest the mean."""
    scores = [(0, 1, 0.80), (0, 2, 0.82), (0, 3, 0.90), (3, 1, 0.83), (3, 2, 0.83), (3, 3, 0.83)]
    results = [
        Result(number=i, configuration=c, seed=s, state="COMPLETE", values={}, score=v, notes={})
        for i, (c, s, v) in enumerate([*scores, (6, 1, 0.99)])
    ]
    found = ranking.ranked(results, 3, greater=True)
    assert [one.number for one in found] == [0, 3, 6]
    assert found[0].mean == pytest.approx(0.84)
    assert found[0].typical.seed == 2
    assert [one.number for one in ranking.ranked(results, 3, greater=False)] == [3, 0, 6]


HISTORY = """step,epoch,loss,accuracy,f1
10,1,0.5,0.70,0.60
20,2,0.4,0.80,0.65
30,3,0.3,0.80,0.90
40,4,0.6,0.75,0.50
"""


@pytest.mark.parametrize(
    ("best", "averaging", "metric", "wanted"),
    [
        ("accuracy", None, "accuracy", 0.8),
        ("accuracy", None, "f1", 0.65),  # the first of equals
        ("loss", None, "f1", 0.9),
        ("accuracy", {"kind": "ema", "decay": 0.9}, "f1", 0.65),
        ("accuracy", {"kind": "last", "count": 2}, "f1", 0.7),
        ("accuracy", {"kind": "best", "count": 3}, "f1", (0.65 + 0.9 + 0.5) / 3),
    ],
)
def test_a_trial_scores_what_its_kept_weights_score(write_params, best, averaging, metric, wanted):
    """By the rows that data/model comes from."""
    p = write_params(train__metric_for_best_model=best, train__weight_averaging=averaging)
    assert objective.kept(HISTORY, p, metric) == pytest.approx(wanted)


def test_a_soup_is_scored_by_the_last_row(write_params):
    """Which is its own, whatever a member had before."""
    p = write_params(train__model_soup_size=2, train__metric_for_best_model="accuracy")
    assert objective.kept(HISTORY, p, "f1") == float(HISTORY.split()[-1].split(",")[-1])


def test_the_page_of_a_sweep_on_a_server_holds_no_password():
    """The least first, where less is better."""
    found = sweep_run.page("https://me:secret@host:8/", "7", "s", "loss", greater=False)
    assert found.startswith("https://host:8/#/experiments/7/runs?workflowType=machine_learning&")
    assert found.endswith("orderByKey=metrics.%60validation%2Floss%60&orderByAsc=true")


def test_columns_are_headed_by_the_last_part_of_a_name():
    """Where that says which one."""
    names = ["train.learning_rate", "data.split.seed", "seed"]
    assert progress_display.headings(names) == ["learning_rate", "data.split.seed", "seed"]


def test_a_history_without_the_metric_is_an_error(write_params):
    """Its columns are named."""
    with pytest.raises(InputError, match=r"validation\.csv has no mcc; it has loss, accuracy, f1"):
        objective.kept(HISTORY, write_params(), "mcc")


def test_a_journal_tells_which_evaluation_it_was(tmp_path):
    """Half-written lines wait; other trials' journals are not read; a resumed one counts on."""
    lines = ['{"kind": "open", "tags": {"dvc.exp_name": "s-1", "fingerprint": "abc"}}']
    lines += [
        f'{{"kind": "metrics", "step": {step}, "metrics": {{"validation/f1": 0.{step}}}}}'
        for step in (20, 40, 50)
    ]
    path = tmp_path / "train-x.jsonl"
    path.write_text("\n".join(lines[:2]) + "\n" + lines[2][:30])
    (tmp_path / "train-y.jsonl").write_text(lines[0].replace("s-1", "s-11") + "\n" + lines[1])
    watched = TrialMonitor(tmp_path, "s-1", "f1")
    assert watched.new_scores() == [(1, 0.20)]
    path.write_text("\n".join(lines) + "\n")
    assert watched.new_scores() == [(2, 0.40), (2, 0.50)]
    assert (watched.first_step, watched.fingerprint) == (20, "abc")
    path.write_text("\n".join([lines[0], *lines[2:3]]) + "\n")
    assert TrialMonitor(tmp_path, "s-1", "f1", 20).new_scores() == [(2, 0.40)]


def test_comments_stay_in_a_trials_parameters():
    """And everything else; null stays null, a mapping is written as one."""
    text = (ROOT / "params.yaml").read_text()
    assert workspace.edited(text, {}) == text
    found = workspace.edited(
        text,
        {"train.learning_rate": 1.5e-05, "train.weight_averaging": {"kind": "ema", "decay": 0.9}},
    )
    read = yaml.load(found, Loader=yaml_file.Loader)
    assert read["train"]["learning_rate"] == 1.5e-05
    assert read["train"]["weight_averaging"] == {"kind": "ema", "decay": 0.9}
    gone = [line for line in text.splitlines() if line not in found.splitlines()]
    assert len(gone) == 2


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "test.accuracy"}, "objective: test.accuracy: what is chosen by the test"),
        ({"objective": "accuracy"}, "objective: 'accuracy': expected validation.<metric>"),
        ({"method": "tpi"}, "method: Input should be 'grid', 'random' or 'tpe'; found 'tpi'"),
        ({"methd": "tpe"}, "methd: unknown key (did you mean 'method'?)"),
        ({"seed": None}, "seed is missing; random draws by it"),
        ({"budget": None}, "budget is missing: random has no end of its own"),
        ({"seeds": [1, 2]}, "budget.trials 3 is no multiple of 2 seeds"),
        ({"seeds": [1, 1, 1]}, "seeds names a seed twice"),
        ({"method": "grid"}, "seed has no effect with method: grid; remove it"),
        ({"method": "grid", "seed": None}, "5: parameters.train.learning_rate: no end with"),
        ({"name": "a b"}, "name: expected letters, digits and _, with single -"),
        ({"parameters": {"a": {"choice": []}}}, "parameters.a: choice is empty, or names a value"),
        ({"parameters": {"a": {"lo": 1}}}, "parameters.a.lo: unknown key (did you mean 'low'?)"),
        ({"parameters": {"a": {"low": 1}}}, "parameters.a: a range needs low and high"),
        ({"parameters": {"a": [1]}}, "parameters.a: expected keys and values in { }; found [1]"),
        ({"parameters": {"a": {}}}, "parameters.a: give either choice: […], or low and high"),
        ({"parameters": {"a": {"low": 2, "high": 1}}}, "parameters.a: low 2 is not below high 1"),
        ({"parameters": {"a": {"low": 0, "high": 1, "log": True}}}, "log: true needs a low above"),
        (
            {"parameters": {"a": RANGE | {"step": 1}}},
            "parameters.a: log and step exclude each other",
        ),
        (
            {"parameters": {"a": {"choice": [1]}, "b": RANGE | {"when": {"aa": 1}}}},
            "parameters.b.when.aa: no parameter of the sweep above this one (did you mean 'a'?)",
        ),
        (
            {"parameters": {"a": {"choice": [1]}, "b": RANGE | {"when": {"a": 2}}}},
            "parameters.b.when.a: 2 is none of its choices 1",
        ),
        (
            {"parameters": {"seed": {"choice": [1]}}, "seeds": [1, 2, 3]},
            "seeds and parameters.seed exclude each other",
        ),
    ],
)
def test_what_a_sweep_file_cannot_say(tmp_path, changes, message):
    """Each mistake has its line."""
    with pytest.raises(InputError, match=r"sweep\.yaml:\d+: ") as caught:
        loaded(tmp_path, **changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"train.learning_rte": RANGE}, "(did you mean 'learning_rate'?)"),
        ({"train.learning_rate": {"low": -1.0, "high": 1.0}}, "-1.0: train.learning_rate: Input"),
        ({"train.batch_size": {"choice": [8, 0]}}, "train.batch_size: 0: train.batch_size: Inp"),
        (
            {"train.weight_averaging": {"choice": [{"kind": "em"}]}},
            "train.weight_averaging.kind: Input should",
        ),
        ({"train.huber_delta": {"choice": [1.0]}}, "has no effect here with sequence_classif"),
    ],
)
def test_what_params_yaml_cannot_hold(tmp_path, parameters, message):
    """Every choice and both ends, before any trial; the line is the parameter's."""
    found, file = loaded(tmp_path, parameters=parameters)
    with pytest.raises(InputError, match=r"sweep\.yaml:5: parameters\.train") as caught:
        space.check(found, TREE, file)
    assert message in str(caught.value)


def test_values_that_fit_together_are_taken(tmp_path):
    """A part of a batch that only goes with one of its sizes; a share whose ends are whole."""
    parameters = {
        "train.batch_size": {"choice": [16, 24]},
        "train.per_device_batch_size": {"choice": [12], "when": {"train.batch_size": 24}},
        "train.weight_decay": {"low": 0, "high": 1},
        "train.bucket_window": {"low": 0, "high": 9},
    }
    found, file = loaded(tmp_path, parameters=parameters)
    whole = space.check(found, TREE, file)
    assert [name for name, is_it in whole.items() if is_it] == ["train.bucket_window"]
    values = [result.values for result in run_through(in_memory(found, whole), lambda *_: 1.0)]
    assert all(
        ("train.per_device_batch_size" in v) == (v["train.batch_size"] == 24) for v in values
    )


def test_the_docs_example_is_a_sweep(tmp_path):
    """As docs/sweep.md has it, of the parameters in params.yaml."""
    text = (ROOT / "docs/sweep.md").read_text().split("```yaml\n")[1].split("```")[0]
    (tmp_path / "sweep.yaml").write_text(text)
    found = sweep_config.load(tmp_path / "sweep.yaml")
    tree = yaml.load((ROOT / "params.yaml").read_text(), Loader=yaml_file.Loader)
    assert set(space.check(found, tree, tmp_path / "sweep.yaml")) == set(found.parameters)


def test_a_grid_in_which_values_exclude_each_other_is_refused(tmp_path):
    """It says how many, and which is the first."""
    parameters = {
        "train.batch_size": {"choice": [16, 24]},
        "train.per_device_batch_size": {"choice": [8, 12]},
    }
    changes = {"method": "grid", "budget": None, "seed": None}
    found, file = loaded(tmp_path, parameters=parameters, **changes)
    with pytest.raises(InputError, match=r"1 of the grid's 4 configurations .*_size=16 .*_size=12"):
        space.check(found, TREE, file)


def test_pruning_needs_a_tracker(tmp_path, monkeypatch):
    """It is said before any trial."""
    found, _ = loaded(tmp_path, prune={"after_trials": 1, "after_evaluations": 0})
    with pytest.raises(InputError, match="not a DVC repository"):
        start.check_place(tmp_path, found)
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    with pytest.raises(InputError, match="prune needs the scores that training records"):
        start.check_place(ROOT, found)


@pytest.mark.slow
def test_what_a_repository_cannot_start(repository):
    """Nothing is left behind: no metric, a file git does not know, another plan, another's name."""
    sweeps.write(repository, objective="validation.acuracy")
    text = sweeps.sweep(repository, status=1)
    assert re.search(r"error: sweep\.yaml:3: objective: .*no metric 'acuracy' \(did you me", text)
    assert not (repository / "sweeps").exists()
    (repository / "mine.csv").write_text("sentence1,sentence2,label\n")
    set_params(repository, data__files={"train": "mine.csv"})
    sweeps.write(repository, budget={"trials": 1})
    text = sweeps.sweep(repository, status=1)
    assert "error: git does not know mine.csv, and a trial has only what git knows" in text
    run(repository, "git add mine.csv")
    assert "1 finished" in sweeps.sweep(repository)
    sweeps.write(repository, seed=5, method="tpe")
    assert "was begun with another method, seed: give this" in sweeps.sweep(repository, status=1)
    with (repository / "sweeps/s/lock").open() as handle:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)
        sweeps.write(repository, budget={"trials": 1})
        assert "the sweep s is running here already" in sweeps.sweep(repository, status=1)
    run(repository, "rm -r sweeps")
    assert "there are experiments s-0 … of an earlier" in sweeps.sweep(repository, status=1)
    sweeps.write(repository, name="t", storage="nonsense")
    assert "error: storage nonsense: " in sweeps.sweep(repository, status=1)
