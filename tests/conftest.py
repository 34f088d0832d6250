"""A workspace with tiny data, the sample's model folder, and parameters a test can change."""

import fcntl
import os
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from temper import params
from tests.helpers import workspace
from tests.helpers.custom_code import CODE
from tests.helpers.downloads import one_file

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background; children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}  # not the user's own


@pytest.fixture(autouse=True)
def _own_tracking(monkeypatch, tmp_path):
    """Keep every test's runs and checkpoints in its own folder."""
    workspace.isolate(monkeypatch, tmp_path)


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


@pytest.fixture(scope="session")
def empty_store(made_once) -> Path:
    """Return an MLflow database without runs; making one takes seconds, copying it does not."""
    return made_once("store", workspace.make_store) / "mlflow.db"


@pytest.fixture
def local_store(empty_store, tmp_path) -> Path:
    """Put an empty MLflow database where the test's runs go."""
    return shutil.copy(empty_store, tmp_path / "mlflow.db")


@pytest.fixture
def write_params(tmp_path, monkeypatch, local_store) -> Callable[..., params.Params]:
    """Return a function that writes params.yaml with changes, goes there and loads it."""

    def write(**changes) -> params.Params:
        return workspace.write_params(tmp_path, monkeypatch, **changes)

    return write


@pytest.fixture(scope="session")
def prepared(made_once) -> Path:
    """Return a workspace with the tests' data and model, downloaded and tokenized."""
    return made_once("prepared", workspace.make_prepared)


@pytest.fixture
def prepare(write_params, prepared) -> Callable[..., params.Params]:
    """Return a function that writes params.yaml, then downloads and tokenizes.

    A folder whose changes concern later stages alone gets a copy of what these two write.
    """

    def prepare(**changes) -> params.Params:
        parameters = write_params(**changes)
        groups = {name.partition("__")[0] for name in changes}
        if groups <= {"train", "evaluate", "export"} and not Path("data/raw").exists():
            shutil.copytree(prepared / "data", "data", dirs_exist_ok=True)
            return parameters
        return workspace.load_data(parameters)

    return prepare


@pytest.fixture
def taught(write_params, prepare) -> Callable[..., params.Params]:
    """Return a function that prepares a training with a teacher, and asks it."""

    def prepare_taught(teacher: dict | None = None, **changes) -> params.Params:
        from tests.helpers import teachers

        write_params()
        if not Path("big").exists():
            teachers.write_teacher(Path("big"), **(teacher or {}))
        parameters = prepare(**(teachers.TAUGHT | changes))
        teachers.ask(parameters)
        return parameters

    return prepare_taught


@pytest.fixture
def write_csv() -> Callable[[str, str], None]:
    """Return a function that writes a text to a path, and the folders above it."""

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


@pytest.fixture(scope="session")
def exported_workspace(made_once) -> Path:
    """Return a workspace with a trained, evaluated and exported model, and its MLflow run."""
    from tests.helpers import export

    return made_once("exported", export.make_exported)


@pytest.fixture
def exported(prepare, exported_workspace):
    """Go to a copy of the workspace with an exported model."""
    prepare(train__epochs=1.0)
    shutil.copytree(exported_workspace / "data", "data", dirs_exist_ok=True)
    return Path("data/export")


@pytest.fixture
def mine(prepare, tmp_path):
    """Return `prepare`, with a file of custom code as the module `mine`."""
    (tmp_path / "mine.py").write_text(CODE)
    return lambda **changes: prepare(code={"mine": "mine.py"}, **changes)


@pytest.fixture
def check_sample(tmp_path, monkeypatch) -> Callable[..., list[str]]:
    """Return a function that checks a sample recipe with other training rows."""
    from tests.helpers import checks

    return partial(checks.check_sample, tmp_path, monkeypatch)
