"""A workspace with tiny data, the sample's model folder, and parameters a test can change."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages import evaluate, train
from temper import params
from temper.core import arrow
from tests.helpers import workspace
from tests.helpers.custom_code import CODE
from tests.helpers.downloads import one_file
from tests.helpers.export import run_export

TRAINED: dict[str, Path] = {}


@pytest.fixture(autouse=True)
def _own_tracking(monkeypatch, tmp_path):
    """Keep every test's runs and checkpoints in its own folder."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "TEMPER_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[Path], Any]], Path]:
    """Return a function that gives all processes of the tests one folder, made by the first."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def shared(name: str, make: Callable[[Path], Any]) -> Path:
        folder, done = base / name / "temper", base / f"{name}.done"
        with (base / f"{name}.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder.parent, ignore_errors=True)
                folder.parent.mkdir()
                make(folder)
                done.touch()
        return folder

    return shared


@pytest.fixture(scope="session")
def origin(made_once) -> Path:
    """Return a repository with a finished run of the tests' parameters; clone it, leave it be."""
    from tests.helpers import repository

    return made_once("origin", repository.make_origin)


@pytest.fixture(scope="module")
def untracked():
    """Leave MLflow out: it would take a fifth of the time of many short processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPER_TRACKING", "off")
        yield


@pytest.fixture
def write_params(tmp_path, monkeypatch) -> Callable[..., params.Params]:
    """Return a function that writes params.yaml with changes, goes there and loads it."""

    def write(**changes) -> params.Params:
        return workspace.write_params(tmp_path, monkeypatch, **changes)

    return write


@pytest.fixture
def prepare(write_params) -> Callable[..., params.Params]:
    """Return a function that writes params.yaml, then downloads and tokenizes."""

    return lambda **changes: workspace.load_data(write_params(**changes))


@pytest.fixture
def write_csv() -> Callable[[str, str], None]:
    def write(path: str, text: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text, encoding="utf-8")

    return write


@pytest.fixture
def hundred_rows(tmp_path, monkeypatch):
    """Write 100 rows, 70 of label a, of 2 to 101 characters, by 20 authors."""
    monkeypatch.chdir(tmp_path)
    lines = [
        f"{'x' * (i - 1)}{i:02},{'b' if i % 10 < 3 else 'a'},author{i // 5}" for i in range(100)
    ]
    return one_file("text,label,author\n" + "\n".join(lines) + "\n")


@pytest.fixture
def exported(prepare, tmp_path, tmp_path_factory):
    """Go to a workspace with a trained, evaluated and exported model; built once, then copied."""
    if "folder" not in TRAINED:
        parameters = prepare(train__epochs=1.0)
        data, base = arrow.load(Path("data/tokenized")), Path("data/base")
        Path("work").mkdir()
        engine = train.fine_tune(parameters, data, base, Path("work"), lambda *_: None)
        targets = tuple(Path("data") / name for name in ("model", "checkpoints", "history"))
        train.write_outputs(engine, base, targets)
        names = ("model", "tokenized", "raw", "zero_shot", "evaluation")
        evaluate.main(*(Path("data") / name for name in names))
        run_export(Path("data/export"))
        TRAINED["folder"] = tmp_path_factory.mktemp("trained") / "workspace"
        shutil.copytree(tmp_path, TRAINED["folder"])
    else:
        prepare(train__epochs=1.0)
        shutil.copytree(TRAINED["folder"] / "data", "data", dirs_exist_ok=True)
    return Path("data/export")


@pytest.fixture
def mine(prepare, tmp_path):
    """Return `prepare`, with the file above as module `mine`."""
    (tmp_path / "mine.py").write_text(CODE)
    return lambda **changes: prepare(code={"mine": "mine.py"}, **changes)
