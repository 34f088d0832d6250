"""What DVC records at the end of a stage is what the stage began with."""

import shutil
from pathlib import Path

import pytest
from dvc.fs import localfs
from dvc.ignore import DvcIgnorePatterns

from temper.core import pipeline
from temper.core.errors import InputError
from temper.core.unedited import unedited
from tests.helpers.workspace import ROOT

CODE = "temper/training/losses.py"
OTHER = "temper/evaluation/report.py"


def edit(file, before, now):
    """Replace a text that is in a file; None: delete the file."""
    text = Path(file).read_text()
    assert before in text
    if now is None:
        Path(file).unlink()
    else:
        Path(file).write_text(text.replace(before, now))


@pytest.fixture(autouse=True)
def _repository(tmp_path, monkeypatch):
    """Go to a folder with the project's stages, the tests' parameters and some code."""
    monkeypatch.chdir(tmp_path)
    for name in ("dvc.yaml", ".dvcignore", "tests/params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    edit("params.yaml", "code: {}", "code: {mine: mine.py}")
    for name in (CODE, OTHER, "temper/tasks/causal_lm.py", "mine.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("code\n")


def run_while(monkeypatch, stage, *edits):
    """Run a stage while files are edited; return the error, or None."""
    monkeypatch.setenv("DVC_STAGE", stage)
    try:
        with unedited():
            for arguments in edits:
                edit(*arguments)
    except InputError as error:
        return str(error)


def test_edited_parameters_and_code_of_a_stage_are_named(monkeypatch):
    """Otherwise dvc.lock, the run cache and the model card would have the new ones."""
    edits = [
        ("params.yaml", "learning_rate: 1.0e-3", "learning_rate: 7.0e-3"),
        (CODE, "code", "other"),
        ("mine.py", "code", "other"),
    ]
    error = run_while(monkeypatch, "train", *edits)
    assert error is not None
    named = f"{CODE}, mine.py, params.yaml: train.learning_rate (0.001, now 0.007); DVC would"
    assert error.startswith(f"edited while train ran: {named}")
    assert "(the finished training is taken from checkpoints/)" in error


@pytest.mark.parametrize(
    "edits",
    [
        ("params.yaml", "bootstrap_samples: 200", "bootstrap_samples: 10"),
        ("params.yaml", "seed: 42\n", "seed: 42  # a comment\n"),
        (OTHER, "code", "other"),
        ("temper/tasks/causal_lm.py", "code", "other"),
    ],
)
def test_what_the_stage_does_not_read_may_be_edited(monkeypatch, edits):
    """The stages after it read it, and comments are no values."""
    assert run_while(monkeypatch, "train", edits) is None


def test_values_of_a_stage_of_many_are_its_own(monkeypatch):
    """`download@dataset` reads `data`, `download@model` does not."""
    edits = ("params.yaml", "split: {validation: 0.1", "split: {validation: 0.2")
    assert run_while(monkeypatch, "download@model", edits) is None
    edits = ("params.yaml", "split: {validation: 0.2", "split: {validation: 0.3")
    error = run_while(monkeypatch, "dvc.yaml:download@dataset", edits)
    assert error is not None
    named = "params.yaml: data.split.validation (0.2, now 0.3);"
    assert error.startswith(f"edited while download@dataset ran: {named}")
    assert "checkpoints/" not in error  # of a training


def test_a_stage_without_dvc_is_not_watched(monkeypatch):
    """Nothing is recorded of it."""
    monkeypatch.delenv("DVC_STAGE", raising=False)
    with unedited():
        edit("params.yaml", "seed: 42", "seed: 43")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("seed: [1\n", "params.yaml:2: not YAML"),
        ("- seed\n", "params.yaml: expected keys and values, found a list"),
        ("", "params.yaml: expected keys and values, found none"),
        (None, "params.yaml: no such file"),
    ],
)
def test_parameters_that_cannot_be_read_at_the_end_are_an_edit(text, reason, monkeypatch):
    """The error says what to undo."""
    before = Path("params.yaml").read_text()
    error = run_while(monkeypatch, "train", ("params.yaml", before, text))
    assert error is not None
    assert error.startswith(f"edited while train ran: params.yaml ({reason}")
    assert "Undo the edit" in error


@pytest.mark.parametrize("code", ["", "[a]", "{a: 3}", "{}"])
def test_custom_code_is_that_which_the_stage_began_with(code, monkeypatch):
    """Train does not record the key `code`; the stages after it do."""
    edits = ("params.yaml", "code: {mine: mine.py}", f"code: {code}")
    assert run_while(monkeypatch, "train", edits) is None
    edit("params.yaml", f"code: {code}", "code: {mine: mine.py}")
    error = run_while(monkeypatch, "evaluate", edits)
    assert error is not None
    assert error.startswith("edited while evaluate ran: params.yaml: code")


@pytest.mark.parametrize(
    "stages", ["stages:\n", "stages: [a]\n", "stages: {train: }\n", "- a", "{"]
)
def test_an_edit_of_the_pipeline_ends_no_stage_that_runs(stages, monkeypatch):
    """DVC has read dvc.yaml before; a stage that begins after the edit says what is wrong."""
    monkeypatch.setenv("DVC_STAGE", "train")
    with unedited():
        Path("dvc.yaml").write_text(stages)
    with (
        pytest.raises(InputError, match=r"dvc\.yaml: (no stage 'train'|cannot be read)"),
        unedited(),
    ):
        pytest.fail("began")


@pytest.mark.parametrize(
    "params", ["", "[{other.yaml: [key]}, seed]", "[{other.yaml: null}, seed]", "{a: b}", "3"]
)
def test_parameters_of_other_files_are_left_to_dvc(params, monkeypatch):
    """They keep no stage from its start."""
    Path("dvc.yaml").write_text(f"stages: {{mine: {{cmd: x, params: {params}}}}}")
    error = run_while(monkeypatch, "mine", ("params.yaml", "seed: 42", "seed: 43"))
    assert (error is not None) == ("seed" in params)


@pytest.mark.parametrize(
    ("name", "ignored"),
    [
        (".losses.py.swp", True),
        ("losses.py~", True),
        (".#losses.py", True),
        ("#losses.py#", True),
        ("losses.pyc", True),
        (".DS_Store", True),
        ("__pycache__/losses.cpython-311.pyc", True),
        (".ipynb_checkpoints/losses-checkpoint.py", True),
        ("__pycache__/deeper/losses.py", True),
        (".hidden.py", False),
        ("notes.txt", False),
        ("folder/other.py", False),
    ],
)
def test_files_of_code_are_those_that_dvc_hashes(name, ignored, monkeypatch, tmp_path):
    """One that DVC ignores ends no training; one that it hashes would make the stage run again."""
    path = Path("temper/training", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("code\n")
    by_dvc = DvcIgnorePatterns.from_file(str(tmp_path / ".dvcignore"), localfs, ".dvcignore")
    paths = [tmp_path / path, *(tmp_path / path).parents]
    inside = [p for p in paths if p.is_relative_to(tmp_path) and p != tmp_path]
    assert any(by_dvc.matches(str(p.parent), p.name, p.is_dir()) for p in inside) == ignored
    assert (path not in set(pipeline.code_files(["temper/training"]))) == ignored
    error = run_while(monkeypatch, "train", (path, "code", "other"))
    assert (error is None) == ignored
