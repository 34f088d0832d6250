"""An MLflow database is there whole or not at all, whoever makes it and whatever kills it."""

import errno
import fcntl
import multiprocessing
import os
import resource
import sqlite3
import subprocess
import sys
import time

import pytest

from temper.cli import sync
from temper.core.errors import InputError
from temper.tracking import database, store
from tests.helpers.waiting import wait_until

FORK = multiprocessing.get_context("fork")  # the parent has imported MLflow, which takes seconds


@pytest.fixture
def uri(tmp_path):
    store.connect_quietly()
    from mlflow.store.tracking import sqlalchemy_store  # noqa: F401

    return f"sqlite:///{tmp_path / 'shared' / 'new.db'}"


@pytest.mark.slow
def test_a_kill_while_the_database_is_made_leaves_none_or_a_whole_one(uri, tmp_path):
    """It is killed at several moments; every time the next process makes the store or finds it."""
    folder, num_cut = tmp_path / "shared", 0  # cut short
    for delay_s in (0.2, 0.6, 1.0, 1.4):
        child = FORK.Process(target=store.connect, args=(uri,))
        child.start()
        wait_until(lambda: list(folder.glob("new.db*")))
        time.sleep(delay_s)
        child.kill()
        child.join()
        num_cut += (folder / "new.db.partial").exists()
    assert num_cut > 0
    client = store.connect(uri)
    run = client.create_run(store.experiment_id(client))
    client.log_metric(run.info.run_id, "a", 1.0)
    assert client.get_run(run.info.run_id).data.metrics == {"a": 1.0}
    assert {path.name for path in folder.iterdir()} == {"new.db", "new.db.lock"}


def record(uri, clone):
    """Log ten numbers, as a clone with its own folder does."""
    os.environ["DVC_ROOT"] = str(clone)
    client = store.connect(uri)
    run = client.create_run(store.experiment_id(client))
    for step in range(10):
        client.log_metric(run.info.run_id, "a", 1.0, step=step)


@pytest.mark.slow
def test_clones_that_share_a_new_database_lose_nothing(uri, tmp_path):
    """They start at once; one makes the database while the others wait."""
    clones = [FORK.Process(target=record, args=(uri, tmp_path / name)) for name in "abc"]
    for clone in clones:
        clone.start()
    for clone in clones:
        clone.join()
    assert [clone.exitcode for clone in clones] == [0, 0, 0]
    client = store.connect(uri)
    runs = client.search_runs([store.experiment_id(client)])
    histories = [client.get_metric_history(run.info.run_id, "a") for run in runs]
    assert [len(history) for history in histories] == [10, 10, 10]


def test_a_half_made_database_is_named_with_its_remedy(tmp_path, monkeypatch):
    """One that holds a run, or is not MLflow's, is never to be removed."""
    monkeypatch.chdir(tmp_path)
    error = RuntimeError("(sqlite3.OperationalError) table trace_info already exists\n[SQL: …]")
    for name, tables, is_half_made in (
        ("half made.db", ("experiments", "runs"), True),
        ("full.db", ("experiments", "runs", "INSERT"), False),
        ("other.db", ("customers",), False),
    ):
        with sqlite3.connect(name) as connection:
            for table in tables:
                insert = table == "INSERT"
                connection.execute(
                    "INSERT INTO runs VALUES (1)" if insert else f"CREATE TABLE {table} (id int)"
                )
        said = store.error_message(error, f"sqlite:///{name}")
        assert (f"rm '{tmp_path / name}'; temper sync" in said) == is_half_made
        assert "table trace_info already exists" in said
    other = store.error_message(RuntimeError("database is locked"), "sqlite:///half made.db")
    assert "rm" not in other


@pytest.mark.slow
def test_sync_says_how_to_mend_a_half_made_database(write_params, tmp_path, monkeypatch):
    """After that it sends everything."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    from temper import tracking

    parameters = write_params()
    (tmp_path / "mlflow.db").unlink()
    with sqlite3.connect("mlflow.db") as connection:  # as a kill in MLflow's migrations leaves it
        connection.execute("CREATE TABLE experiments (id int)")
        connection.execute("CREATE TABLE trace_info (id int)")
    with tracking.run("train", parameters, fingerprint="f") as run:
        run.log_metrics({"train/loss": 1.0}, 1)
    (tmp_path / "dvc.yaml").touch()
    with pytest.raises(InputError, match=r"mlflow\.db was left half made .*rm \S+; temper sync$"):
        sync.sync()
    (tmp_path / "mlflow.db").unlink()
    monkeypatch.setattr(SqlAlchemyStore, "_engine_map", {})  # as in another process
    sync.sync()
    client = store.connect()
    (found,) = client.search_runs([store.experiment_id(client)])
    assert found.data.metrics == {"train/loss": 1.0}


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("sqlite:////srv/mlflow.db", "/srv/mlflow.db"),
        ("sqlite+pysqlite:////srv/mlflow.db?timeout=5", "/srv/mlflow.db"),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("postgresql+psycopg2://me@host/mlflow", None),
        ("databricks", None),
    ],
)
def test_the_file_of_a_store(uri, name):
    """Only a SQLite store has one."""
    file = database.sqlite_file(uri)
    assert (None if file is None else str(file)) == name


def test_a_lock_that_another_process_holds_for_long_is_named(tmp_path, monkeypatch, capsys):
    """It may send to a slow server, or be stopped by Ctrl-Z; nothing is said of a short wait."""
    path = tmp_path / "sending.lock"
    with database.locked(path):
        pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(database, "QUIET_S", 0.1)
    code = (
        "import sys, pathlib; from temper.tracking import database\n"
        "with database.locked(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
        assert p.stdin is not None
        assert p.stdout is not None
        p.stdout.readline()
        said = []
        say = lambda message, file: (said.append(message), p.stdin.close())  # noqa: E731
        monkeypatch.setattr(database, "print", say, raising=False)
        with database.locked(path):
            assert said == [f"waiting: process {p.pid} holds {path}"]
    assert path.read_text() == str(os.getpid())


def test_a_lock_is_held_on_a_full_disk(tmp_path):
    """It has no room for the process id; another process waits for it all the same."""
    path, before = tmp_path / "sending.lock", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with database.locked(path), path.open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == ""


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOLCK, r"cannot lock \S+/next\.lock: No locks available; its folder must be writa"),
        (errno.ENOSPC, r"cannot write \S+/next\.lock: the disk is full"),
    ],
)
def test_a_lock_that_cannot_be_had_is_an_error_where_it_is_required(
    tmp_path, monkeypatch, number, message
):
    """Elsewhere, as where runs are recorded, work goes on without."""

    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fail)
    with database.locked(tmp_path / "store.lock"):
        pass
    with (
        pytest.raises(InputError, match=message),
        database.locked(tmp_path / "next.lock", is_required=True),
    ):
        pytest.fail("it went on")
