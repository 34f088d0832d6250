"""`temper verify` says same, or which file differs, how, and why."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.helpers.repository import clone, commit, run, set_params

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(origin, tmp_path):
    """A clone with cache and runs; what a test commits there was never run."""
    copy = clone(origin, tmp_path / "clone", cache=True)
    for path in origin.glob("ml*"):
        kind = shutil.copytree if path.is_dir() else shutil.copy
        kind(path, copy / path.name)
    return copy


def verified(folder, command, **variables):
    """Return the exit status and what temper verify says."""
    done = run(folder, f"temper verify {command}", check=False, **variables)
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    return done.returncode, done.stdout


def only_line(said, part):
    """Return the one line that holds `part`."""
    (line,) = [line for line in said.splitlines() if part in line]
    return line


def replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_unchanged_commit_is_the_same_in_every_stage(folder):
    """It is rebuilt from the data files, without tracking; the scratch clone is removed."""
    before = (folder / "mlflow.db").read_bytes()
    status, said = verified(folder, "", TMPDIR=str(folder.parent))
    assert status == 0, said
    stages = ("data_files@train", "download@dataset", "download@model", "tokenize", "train")
    for stage in (*stages, "evaluate", "export"):
        assert f"{stage}: same" in said
    assert "verified: 10 stages reproduced the bytes of the committed dvc.lock" in said
    assert (folder / "mlflow.db").read_bytes() == before
    assert list(folder.parent.glob("temper-verify-*")) == []


def test_names_a_changed_data_row(folder):
    """It names the file of the commit and the row and column of the Arrow file."""
    replace(folder / "tests/data/train.csv", ",equivalent", ",not_equivalent")
    commit(folder, "row")
    status, said = verified(folder, "data_files download@dataset")
    assert status == 1
    assert "data_files@train: differs" in said
    assert "data_files@test: same" in said
    line = only_line(said, "arrow")
    assert "data/raw/train/data-00000-of-00001.arrow: 1 of " in line
    assert "column label: 1 before, 0 now" in line
    assert "tests/data/train.csv is not what dvc.lock was made with" in said


def test_names_a_changed_parameter(folder):
    """It shows both values and the first tensor that differs."""
    set_params(folder, train__learning_rate=9e-4)
    commit(folder, "rate")
    status, said = verified(folder, "train")
    assert status == 1
    assert "tensors differ, first bert.embeddings." in said
    assert "train.learning_rate: 0.001 in dvc.lock, 0.0009 in params.yaml" in said
    line = only_line(said, "history/train.csv")
    assert "of 12 rows differ; first in row " in line
    assert "column learning_rate: " in line
    assert said.split("likely cause:")[1].count("\n") == 2  # nothing else is suspected


def test_names_changed_code(folder):
    """Parameters and data are the same."""
    replace(folder / "temper/training/losses.py", "return terms.sum()", "return terms.sum() * 2")
    commit(folder, "line")
    status, said = verified(folder, "train")
    assert status == 1
    assert "data/model/model.safetensors: " in said
    assert "temper/training/losses.py is not what dvc.lock was made with" in said


def test_names_another_instruction_set_and_other_threads(folder):
    """They come from the recorded environment, or from the parameter that pins them."""
    set_params(folder, determinism__portable=False)
    run(folder, "dvc repro train")
    commit(folder, "native")
    set_params(folder, determinism__num_threads=1)
    commit(folder, "threads")
    status, said = verified(folder, "train", ATEN_CPU_CAPABILITY="default")
    assert status == 1
    line = only_line(said, "torch.cpu_capability")
    assert line.endswith("then, DEFAULT here")
    assert "determinism.num_threads: 2 in dvc.lock, 1 in params.yaml" in said
    assert "torch.num_threads: 2 then, 1 here" in said


def test_names_another_library_version(folder, tmp_path):
    """Another jinja2 renders the report differently."""
    spec = find_spec("jinja2")
    assert spec is not None
    other = tmp_path / "other"
    shutil.copytree(Path(spec.origin).parent, other / "jinja2")
    with (other / "jinja2/environment.py").open("a") as file:
        file.write("_render = Template.render\n")
        file.write("Template.render = lambda *a, **k: _render(*a, **k) + '\\n'\n")
    (other / "jinja2-2.0.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: jinja2\nVersion: 2.0\n"
    (other / "jinja2-2.0.dist-info/METADATA").write_text(metadata)
    status, said = verified(folder, "evaluate", PYTHONPATH=f"{folder}:{other}")
    assert status == 1
    line = only_line(said, "report.html")
    assert "now, from line" in line
    line = only_line(said, "version.jinja2")
    assert line.endswith("then, 2.0 here")


def test_says_what_cannot_be_verified(folder):
    """The stage is unknown, a file is not committed, or a stage fails."""
    done = run(folder, "temper verify trian", check=False)
    assert "error: dvc.lock has no stage trian (did you mean 'train'?)" in done.stderr
    replace(folder / "stages/tokenize.py", "def main(", "def main(broken, ")
    commit(folder, "broken")
    (folder / "stages/train.py").write_text("")
    done = run(folder, "temper verify tokenize evaluate", check=False)
    assert done.returncode == 1
    assert "without uncommitted changes:\n M stages/train.py" in done.stderr
    assert "tokenize: differs\n    failed: see above" in done.stdout
    assert "evaluate: differs\n    not rebuilt" in done.stdout
    shutil.rmtree(folder / ".dvc/cache")
    done = run(folder, "temper verify evaluate", check=False)
    assert "the cache lacks outputs of " in done.stderr
