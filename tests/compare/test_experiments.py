"""Experiments are read from their commits, and pooled over folds."""

import re
from itertools import chain
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from temper import metrics, params
from temper.cli import curve, folds
from temper.compare import experiments
from temper.compare.experiments import Experiment
from temper.core.errors import InputError
from tests.helpers.commits import Files
from tests.helpers.comparisons import Memory
from tests.helpers.predictions import predictions_of
from tests.helpers.workspace import ROOT


@pytest.mark.parametrize("kind", ["classification", "multi_label", "regression"])
def test_pooled_scores_are_those_of_all_rows(kind):
    """The written cells give the main scores of all rows within their digits."""
    rows, wanted = predictions_of(kind, np.random.default_rng(3))
    found = folds.pooled_scores(kind, rows, None)
    assert set(metrics.load(kind).HEADLINE) <= found.keys()
    assert found == pytest.approx({name: wanted[name] for name in found}, abs=1e-4)


def test_pools_tags_choices_and_texts():
    """Words that evaluate wrote are read back; token accuracy is not in the files."""
    tags = [{"reference": "B-x I-x O", "prediction": "B-x I-x O"},
            {"reference": "O B-x", "prediction": "O O"}]  # fmt: skip
    assert folds.pooled_scores("entities", tags, None)["f1"] == pytest.approx(2 / 3)
    choices = [{"reference": "1", "prediction": "1"}, {"reference": "0", "prediction": "2"}]
    assert folds.pooled_scores("choices", choices, None)["accuracy"] == 0.5
    texts = [{"reference": "a b", "prediction": "a b"}, {"reference": "c", "prediction": "d"}]
    assert folds.pooled_scores("translation", texts, None)["exact_match"] == 0.5
    tokens = [{"reference": "", "prediction": f"perplexity {p} of {n} tokens"}
              for p, n in ((2, 3), (8, 1))]  # fmt: skip
    assert folds.pooled_scores("language", tokens, None) == pytest.approx({"perplexity": 2**1.5})


@pytest.fixture
def commits(monkeypatch, tmp_path):
    """Stand in for git and DVC: three experiments, and what their commits hold."""
    import dvc.api

    text = (ROOT / "params.yaml").read_text()
    files = {"a": Files(text), "c": Files(text.replace("seed: 42", "sed: 42")), "e": Files("- 1")}
    monkeypatch.setattr(experiments, "commits", lambda *_: {name: [name] for name in files})
    monkeypatch.setattr(dvc.api, "DVCFileSystem", lambda rev: files[rev])
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a", "experiment a has no fold: its data.fold is null"),
        ("c", "experiment c: its params.yaml is not valid in this version (2 mistakes)"),
        ("e", "e: params.yaml: expected keys and values, found a list"),
        ("d", "no experiment 'd' of the current commit; there are a, c, e (dvc queue"),
    ],
)
def test_names_experiments_that_cannot_be_used(commits, name, message):
    """Each is named with its reason."""
    with pytest.raises(InputError, match=re.escape(message)):
        folds.folds([name])


def test_names_a_file_that_is_not_in_the_cache(commits):
    """The message has the two ways to get it."""
    with pytest.raises(
        InputError,
        match=r"a: data/evaluation/metrics\.json is neither in DVC.s cache nor in a remote;",
    ):
        curve.curve(["a"])


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (FileNotFoundError("x.dir"), "a remote; run"),
        (ValueError("no s3fs"), r"a remote \(no s3fs\); run"),
    ],
)
def test_every_error_of_dvc_and_its_remotes_is_a_missing_file(cause, says):
    """DVC's index wraps what a folder's storage raised."""

    def read_bytes(path):
        raise RuntimeError("failed to load directory") from cause

    parameters = params.load(ROOT / "params.yaml")
    files: Any = SimpleNamespace(read_bytes=read_bytes)
    experiment = Experiment(name="a", rev=None, parameters=parameters, files=files)
    with pytest.raises(InputError, match=says):
        experiment.read_bytes("data/evaluation/metrics.json")


def test_needs_a_repository(monkeypatch, tmp_path):
    """Outside of one the error is a single line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT")
    with pytest.raises(InputError, match="not a DVC repository; run this where dvc"):
        folds.folds()


DEPS = {
    name: yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][name]["deps"]
    for name in ("tokenize", "train")
}
INPUTS = sorted({*DEPS["tokenize"], *DEPS["train"]} - {"data/tokenized", "data/base/processor"})


def trained(name, *changed, renamed=()):
    """Return an experiment whose dvc.lock has the paths of dvc.yaml, some with other bytes."""
    new = dict(renamed)
    md5s = {new.get(path, path): str(path in (*changed, *new)) for path in chain(*DEPS.values())}
    stages = {
        stage: {"deps": [{"path": p, "md5": md5s[p]} for p in (new.get(p, p) for p in paths)]}
        for stage, paths in DEPS.items()
    }
    files = Memory({"dvc.lock": yaml.safe_dump({"stages": stages}).encode()})
    return Experiment(name=name, rev=name, parameters=None, files=files)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", INPUTS)
def test_models_of_equal_parameters_may_have_other_inputs(path):
    """A branch on the Hub has moved, or a file was edited; each path of dvc.yaml is compared."""
    models = [trained("first"), trained("same"), trained("other", path, "data/tokenized")]
    said = [f"other: {path} differs from that of first"]
    assert experiments.other_inputs(models) == said


def test_other_inputs_are_on_one_line():
    """Many of a group are counted; nothing is said of what is made of them, or is unknown."""
    code = [path for path in INPUTS if path.startswith("temper/")]
    unknown = Experiment(name="unknown", rev="", parameters=None, files=Memory({}))  # type: ignore[arg-type]
    models = [
        trained("first"),
        trained("same", "data/tokenized", "data/base/processor"),
        trained("many", "data/raw", "stages/train.py", *code[:3]),
        unknown,
    ]
    assert experiments.other_inputs(models) == [
        "many: data/raw, stages/train.py, temper (3 changes) differ from those of first"
    ]
    assert experiments.other_inputs([unknown, models[2]]) == []


def test_a_path_that_a_parameter_names_is_no_other_code():
    """With another `train.engine` both engines may be as they were."""
    engine = "temper/engines/${train.engine}.py"
    models = [trained(name, renamed={engine: f"temper/engines/{name}.py"}) for name in "ab"]
    assert experiments.other_inputs(models) == []
