"""Experiments, revisions and the working folder are compared by name."""

import re
import shutil
from dataclasses import replace

import pytest
import yaml

from temper.cli import compare
from temper.compare import compared_models, experiments, shared_rows
from temper.core.errors import InputError
from temper.tracking import store
from tests.helpers import repository
from tests.helpers.comparisons import STUB, WANTED, WORSE, Memory, labelled, model
from tests.helpers.tables import cells

LOCK = {
    "train": {"outs": [{"path": "data/model", "md5": "1"}]},
    "evaluate": {
        "deps": [{"path": "data/model", "md5": "1"}],
        "params": {"params.yaml": {"seed": 42, "export.name": "x"}},
        "outs": [{"path": "data/evaluation", "md5": "2"}],
    },
}


def test_too_few_or_unknown_names_are_refused(monkeypatch):
    """The error lists the names there are."""
    monkeypatch.setattr(compared_models, "check_repository", lambda: None)
    monkeypatch.setattr(compared_models, "try_git", lambda *_: None)
    monkeypatch.setattr(experiments, "commits", lambda: {"puffy-dhal": ["1" * 40]})
    with pytest.raises(
        InputError, match=r"name two or more .*experiments: puffy-dhal; workspace is"
    ):
        compared_models.resolve(["puffy-dhal", "puffy-dhal"])
    with pytest.raises(InputError, match=r"pufy-dhal: no finished .*did you mean 'puffy-dhal'"):
        compared_models.resolve(["pufy-dhal", "puffy-dhal"])
    with pytest.raises(InputError, match=r"x is ambiguous: give one of the commits 1+, 2+$"):
        compared_models.find_model("x", {"x": ["1" * 40, "2" * 40]})
    with pytest.raises(InputError, match=r"run 0+: there is no .*mlflow\.db; name experiments"):
        compared_models.find_model("0" * 32, {})


@pytest.mark.parametrize(
    ("stages", "text", "message"),
    [
        (None, "seed: 42", "x: no dvc.lock, so its results are unknown; commit"),
        (
            {"train": LOCK["train"]},
            "seed: 42",
            "its dvc.lock has no data/evaluation: evaluate has not",
        ),
        (LOCK, "{seed: 43, export: {name: x}}", "was not made with the seed of its params.yaml"),
        (LOCK, "{seed: 42, export: 1}", "was not made with the export.name of its params.yaml"),
        (
            {**LOCK, "train": {"outs": [{"path": "data/model", "md5": "3"}]}},
            "{seed: 42, export: {name: x}}",
            "x: data/model changed after it was evaluated; run dvc repro",
        ),
    ],
)
def test_refuses_results_of_other_parameters(stages, text, message):
    """A commit or folder whose params.yaml changed without a run is refused."""
    files = {"params.yaml": text.encode()}
    if stages is not None:
        files["dvc.lock"] = yaml.safe_dump({"stages": stages}).encode()
    with pytest.raises(InputError, match=re.escape(message)):
        compared_models.check_lock("x", Memory(files))
    good = {"params.yaml": b"{seed: 42, export: {name: x}}"}
    good["dvc.lock"] = yaml.safe_dump({"stages": LOCK}).encode()
    compared_models.check_lock("x", Memory(good))


def test_names_a_missing_file_and_how_to_get_it(monkeypatch):
    """The advice fits a commit, an experiment and the working folder."""
    one = model("a", labelled(WANTED, WORSE))
    monkeypatch.setattr(experiments, "commits", dict)
    with pytest.raises(InputError, match=r"remote; fetch it \(dvc fetch .* \(git checkout 000"):
        one.read("x")
    monkeypatch.setattr(experiments, "commits", lambda: {"a": ["000"]})
    message = r"fetch it \(dvc exp pull <git remote> a, dvc fetch .* \(dvc exp apply a, then"
    with pytest.raises(InputError, match=message):
        one.read("x")
    with pytest.raises(InputError, match=r"in a remote; run dvc repro$"):
        replace(one, rev=None).read("x")
    first, _ = shared_rows.load([one, replace(one, name="b")], None)
    assert shared_rows.input_texts(first, [0, 1]) == {0: {}, 1: {}}


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    """Return a DVC repository with a finished run and an experiment."""
    folder = tmp_path_factory.mktemp("stub") / "repository"
    repository.make_stub(folder, STUB, train__epochs=1)
    repository.run(folder, "dvc exp run -q -n longer -S train.epochs=4")
    repository.run(folder, "git checkout -q params.yaml dvc.lock")
    return folder


@pytest.mark.slow
def test_opens_experiments_revisions_and_the_workspace_by_name(stub, monkeypatch, capsys):
    """Nothing is checked out; other rows and results of other parameters are refused."""
    monkeypatch.chdir(stub)
    monkeypatch.setenv("COLUMNS", "150")
    compare.compare(["HEAD", "longer"], samples=500, markdown=stub / "c.md", html=stub / "c.html")
    text = capsys.readouterr().out
    assert re.search(
        r"^longer vs HEAD: significantly better .*\(accuracy \+0\.\d+, .*, p = 0\.002\)", text
    )
    assert ["train.epochs", "1", "4"] in [row[:3] for row in cells(text)]
    assert (stub / "c.md").read_text().startswith("# sample-paraphrase: comparison")
    assert "longer vs HEAD: significantly better" in (stub / "c.html").read_text()
    with pytest.raises(InputError, match=r"HEAD~1: no dvc\.lock, so its results are unknown"):
        compare.compare(["HEAD", "HEAD~1"], html=stub / "c.html")
    repository.set_params(stub, train__epochs=2)
    message = "workspace: data/evaluation was not made with the train of its params"
    with pytest.raises(InputError, match=message):
        compare.compare(["HEAD", "workspace"], html=stub / "c.html")
    repository.run(stub, "dvc repro -q")
    compare.compare(["HEAD", "workspace"], samples=500, html=stub / "c.html")
    assert re.search(
        r"workspace vs HEAD: (significantly better|not significant)", capsys.readouterr().out
    )
    repository.run(stub, "git checkout -q params.yaml dvc.lock")  # the outputs are another's
    message = (
        r"workspace: data/evaluation(, data/raw)? on disk are not those of dvc\.lock.*checkout"
    )
    with pytest.raises(InputError, match=message):
        compare.compare(["HEAD", "workspace"], html=stub / "c.html")


def test_a_store_that_does_not_answer_is_one_line(monkeypatch):
    """The run is named, and what can be named instead."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(InputError, match=r"^run 0+: http://127.0.0.1:1 cannot be reached; name"):
        compared_models.open_run("0" * 32)


@pytest.mark.slow
def test_finds_the_dvc_files_of_a_run(origin, tmp_path, monkeypatch, capsys):
    """Its metrics.json identifies them."""
    folder = repository.clone(origin, tmp_path / "clone", cache=True)
    shutil.copy(origin / "mlflow.db", folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_ROOT", str(folder))
    monkeypatch.setenv("COLUMNS", "200")
    (run,) = store.connect().search_runs(["1"])
    run_id = run.info.run_id
    compare.compare([run_id, "HEAD"], samples=500, html=tmp_path / "c.html")
    name = f"{run.info.run_name} {run_id[:8]}"
    assert f"HEAD vs {name}: the same score on each of 24 test rows" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"^run 0+: sqlite.*/mlflow\.db refused .*; name exp"):
        compared_models.open_run("0" * 32)
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
