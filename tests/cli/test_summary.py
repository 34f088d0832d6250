"""`temper summary` shows scores, sizes and the verdict on dvc.lock, or says what to run."""

import copy
import subprocess
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo

from temper import params, repo
from temper.cli import summary
from temper.core import artifacts
from temper.core.errors import InputError
from tests.helpers.workspace import init_dvc

STAGES = {
    "tokenize": {
        "deps": [{"path": "data/raw", "md5": "1"}],
        "params": {"params.yaml": {"tokenize": {"max_length": 64, "padding": "dynamic"}}},
        "outs": [{"path": "data/tokenized", "md5": "2"}],
    },
    "train": {
        "deps": [{"path": "data/tokenized", "md5": "2"}],
        "params": {"params.yaml": {"seed": 42}},
        "outs": [{"path": "data/model", "md5": "3"}],
    },
}
SCORES = {"accuracy": 0.9, "accuracy_low": 0.87, "accuracy_high": 0.93, "f1": 0.8}


@pytest.fixture
def finished(write_params):
    """A repository with what a run leaves, its dvc.lock committed."""
    write_params()
    metrics = {
        "test": SCORES,
        "baseline": {"majority": {"test": {"accuracy": 0.5, "f1": 0.0}}},
        "gap": {"accuracy_gap": 0.05, "train_accuracy": 0.95},
    }
    for file in (summary.REPORT, summary.EXPORT / "config.json"):
        file.parent.mkdir(parents=True)
        file.touch()
    (summary.EXPORT / "onnx").mkdir()
    (summary.EXPORT / "onnx/model.onnx").write_bytes(bytes(3 * 2**20))
    artifacts.write_json(summary.METRICS, metrics)
    lock(STAGES)
    subprocess.run(["git", "init", "-q"], check=True)
    commit("dvc.lock")


def commit(*paths):
    subprocess.run(["git", "add", *paths], check=True)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, "commit", "-qm", "run"], check=True)


def lock(stages):
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def lock_run(scored, exported):
    """Lock the parameters of evaluate, as dvc.yaml has them, and of export."""
    name = {"export.name": exported["export"]["name"]} if "export" in exported else {}
    groups = {group: values for group, values in scored.items() if group != "export"}
    made = {"evaluate": groups | name, "export": exported}
    lock(STAGES | {stage: {"params": {"params.yaml": had}} for stage, had in made.items()})


def changed(stage, **parts):
    stages = copy.deepcopy(STAGES)
    stages[stage] |= parts
    return stages


def test_shows_scores_sizes_and_next_commands(finished, capsys):
    """Scores are beside the baselines, with the gap, the sizes, the lock file and MLflow."""
    summary.summary()
    out = capsys.readouterr().out
    for part in (
        "0.900 (0.870 to 0.930)",
        "majority",
        "accuracy, train minus test: +0.050 (overfitting)",
        "onnx/model.onnx 3.0 MiB",
        "data/evaluation/report.html",
        "matches: the same bytes as the committed dvc.lock",
        "mlflow ui --backend-store-uri sqlite:///mlflow.db",
        "next       git add params.yaml dvc.lock && git commit",
        "dvc exp run -S train.learning_rate=0.002 ",
        "temper compare HEAD workspace ",
        "temper predict --model data/export --input tests/data/test.csv \\\n",
    ):
        assert part in out
    assert "train_accuracy" not in out


def test_scores_are_those_of_the_parameters_in_dvc_lock(finished, write_params, capsys):
    """An edit of params.yaml since is named; F1 stays that of the label it was computed for."""
    values = yaml.safe_load(Path("params.yaml").read_text())
    lock_run(values, values)
    text = repo.LOCK.read_text()
    assert "1.0e-08" in text
    repo.LOCK.write_text(text.replace("1.0e-08", "1e-08"))  # as DVC writes it, in YAML 1.2
    summary.summary()
    assert "\nedited " not in capsys.readouterr().out
    write_params(evaluate__positive_label="not_equivalent", train__epochs=9)
    summary.summary()
    out = capsys.readouterr().out
    assert "f1 is that of equivalent (" in out
    assert "edited     evaluate.positive_label, train.epochs in params.yaml: all above is" in out
    assert "next       dvc repro   # with params.yaml as it is now\n           dvc plots" in out
    lock_run({"seed": 42}, {"seed": 42})  # not all of them
    summary.summary()
    assert "f1 is that of not_equivalent (" in capsys.readouterr().out


def test_an_export_may_be_older_than_the_scores(finished, write_params, capsys):
    """As after `dvc repro evaluate`: the scores are those of evaluate's parameters."""
    older = yaml.safe_load(Path("params.yaml").read_text())
    write_params(evaluate__positive_label="not_equivalent")
    now = yaml.safe_load(Path("params.yaml").read_text())
    lock_run(now, now)
    summary.summary()
    assert "\nstale " not in capsys.readouterr().out
    lock_run(now, older)
    summary.summary()
    out = capsys.readouterr().out
    assert "f1 is that of not_equivalent (" in out
    assert "\nedited " not in out
    assert "stale      data/export, of other values: evaluate.positive_label\n" in out
    assert "next       dvc repro   # with params.yaml as it is now\n" in out
    lock_run(now, {"export": now["export"]})  # by a pipeline of one's own
    summary.summary()
    assert "\nstale " not in capsys.readouterr().out


def test_recommends_only_what_works_now(finished, capsys, monkeypatch):
    """HEAD is comparable, or becomes so by a commit, or cannot be compared with at all."""
    parameters = params.load()
    commit("params.yaml", "dvc.lock")
    assert [command.split()[:2] for command, _ in summary.next_commands(parameters)] == [
        ["dvc", "plots"],
        ["temper", "demo"],
        ["temper", "predict"],
    ]
    monkeypatch.setattr(summary, "is_comparable", lambda _: True)
    commands = [command for command, _ in summary.next_commands(parameters)]
    assert commands[:2] == [
        "dvc exp run -S train.learning_rate=0.002",
        "temper compare HEAD workspace",
    ]
    Path("dvc.lock").write_text(Path("dvc.lock").read_text() + "\n")
    lines = [summary.command_line(*given) for given in summary.next_commands(parameters)[:3]]
    assert lines == [
        "temper compare HEAD workspace   # is it significantly better?",
        "git commit -qm 'A better model' params.yaml dvc.lock   # if it is",
        "git checkout params.yaml dvc.lock && dvc checkout   # if not",
    ]
    Path("tests/data/test.csv").rename("tests/data/other.csv")
    end = "--input tests/data/validation.csv --output scored.csv"
    assert summary.next_commands(parameters)[-1][0].endswith(end)
    Path("mlflow.db").unlink()
    assert summary.tracking_command() == "none: there is no mlflow.db"


def test_does_not_print_the_tracking_server(finished, capsys, monkeypatch):
    """Its address may hold a password."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@example.org")
    summary.summary()
    out = capsys.readouterr().out
    assert "on the server of MLFLOW_TRACKING_URI" in out
    assert "secret" not in out


@pytest.mark.parametrize("path", [summary.METRICS, summary.REPORT, repo.LOCK])
def test_missing_outputs_say_what_to_run(finished, path):
    """The message replaces a table with holes."""
    path.unlink()
    with pytest.raises(InputError, match=f"{path} does not exist; run dvc repro"):
        summary.summary()


def test_a_missing_export_says_what_to_run(finished):
    """The export is missing after a stage that failed."""
    (summary.EXPORT / "config.json").unlink()
    with pytest.raises(InputError, match=r"data/export/config\.json does not exist"):
        summary.summary()


def test_the_verdict_names_what_changed(finished):
    """The cause is a parameter or a file, not what another stage made of it, or the machine."""
    assert repo.lock_verdict() == "matches: the same bytes as the committed dvc.lock"
    other = [{"path": "data/tokenized", "md5": "9"}]
    longer = {"params.yaml": {"tokenize": {"max_length": 32, "padding": "dynamic"}}}
    stages = changed("tokenize", outs=other, params=longer)
    stages["train"] |= {"deps": other, "outs": [{"path": "data/model", "md5": "8"}]}
    lock(stages)
    assert repo.lock_verdict() == (
        "differs from the committed dvc.lock; changed: tokenize.max_length"
    )
    lock(changed("train", outs=[{"path": "data/model", "md5": "8"}]))
    assert repo.lock_verdict().startswith(
        "outputs of train differ from the committed dvc.lock with"
    )
    lock(changed("train", deps=[{"path": "data/tokenized", "md5": "7"}]))
    assert repo.lock_verdict().startswith("matches")


def test_a_branch_on_the_hub_may_be_why_a_download_differs(finished):
    """Of the same parameters it is at another commit by now."""
    download = {"params": {"params.yaml": {"data": 1}}, "outs": [{"path": "data/raw", "md5": "1"}]}
    lock(STAGES | {"download@dataset": download})
    commit("dvc.lock")
    lock(STAGES | {"download@dataset": download | {"outs": [{"path": "data/raw", "md5": "9"}]}})
    assert repo.lock_verdict() == (
        "outputs of download@dataset differ from the committed dvc.lock with the same inputs, so a "
        "branch on the Hub, the machine or the libraries differ"
    )


def test_outputs_of_another_run_do_not_match_the_lock(finished):
    """As after `dvc exp run` and `git checkout dvc.lock`; a file of the lock's bytes matches."""
    init_dvc(Path())
    model = Path("data/model/weights")
    model.parent.mkdir()
    model.write_text("of the commit")
    Path("dvc.yaml").write_text("stages: {train: {cmd: exit 1, outs: [data/model]}}")
    repo.LOCK.unlink()
    with Repo() as opened:
        opened.commit(force=True)
    commit("dvc.lock")
    assert repo.lock_verdict().startswith("matches")
    model.write_text("of an experiment")
    expected = "data/model on disk differ from dvc.lock, so the scores above may be of another run"
    assert repo.lock_verdict() == f"{expected}: dvc checkout restores the outputs of dvc.lock"
    model.unlink()
    assert repo.lock_verdict().startswith("data/model on disk differ")
    model.write_text("of the commit")
    assert repo.lock_verdict().startswith("matches")


def test_a_lock_of_other_data_is_not_compared_stage_by_stage(finished):
    """After `temper init` every stage differs from the sample's."""
    deps = [{"path": "data/files/dataset", "md5": "5"}]
    lock(STAGES | {"download@dataset": {"deps": deps, "outs": []}})
    assert repo.lock_verdict().startswith("the committed one is of other data")


def test_names_new_and_removed_stages():
    """Against another pipeline's lock file many causes of one group become one."""
    assert repo.differences({}, {"train": STAGES["train"]}) == (["stage train"], [])
    assert repo.differences({"train": STAGES["train"]}, {}) == (["stage train"], [])
    before = {"outs": [], "deps": []}
    deps = [{"path": f"stages/{name}.py", "md5": "1"} for name in "abcdef"]
    now = {
        "deps": [*deps, {"path": "temper/core", "md5": "2"}],
        "outs": [{"path": "x", "md5": "1"}],
    }
    causes, _ = repo.differences({"s": before}, {"s": now})
    assert causes == ["stages (6 changes)", "temper/core"]


@pytest.mark.parametrize("is_other_data", [False, True])
def test_no_line_is_wider_than_80_columns(finished, capsys, is_other_data):
    """Whatever the lock file differs in: the terminal would break words."""
    if is_other_data:
        deps = [{"path": f"mydata/{'long' * 6}{i}.csv", "md5": "1"} for i in range(2)]
        lock(changed("tokenize", deps=deps, outs=[{"path": "data/tokenized", "md5": "9"}]))
    summary.summary()
    out = capsys.readouterr().out
    assert "lock file  " in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_command_of_several_lines_can_be_pasted(capsys):
    """No backslash stands alone, where a shell would end the command."""
    command = f"mlflow models serve --env-manager local --model-uri runs:/{'a' * 32}/model"
    summary.print_entry("next", summary.command_line(command, ""))
    assert capsys.readouterr().out.replace("\\\n", "").split() == ["next", *command.split()]


def test_without_a_committed_lock_the_verdict_says_so(write_params):
    """The repository has no git, or the run is its first."""
    write_params()
    assert repo.lock_verdict().startswith("not committed")


def test_a_repository_of_another_user_is_no_missing_revision(finished, monkeypatch):
    """Git answers nothing there; its own message has the remedy."""
    assert repo.try_git("rev-parse", "HEAD") is not None
    assert repo.try_git("rev-parse", "--verify", "nothing") is None
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(InputError, match=r"dubious ownership.*safe\.directory"):
        repo.try_git("rev-parse", "HEAD")


def test_says_why_there_is_no_onnx(finished, capsys):
    """The reason is the export's own."""
    artifacts.write_json(summary.EXPORT / "parity.json", {"no_onnx": "[ONNX] no operator x"})
    summary.summary()
    assert "no ONNX: [ONNX] no operator x\n" in capsys.readouterr().out


@pytest.mark.usefixtures("finished")
def test_a_merge_conflict_in_dvc_lock_is_one_line():
    """As git leaves one after `git stash pop` or a merge."""
    text = repo.LOCK.read_text()
    repo.LOCK.write_text(f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> other\n")
    with pytest.raises(InputError, match=r"^dvc\.lock:\d+: "):
        summary.summary()
