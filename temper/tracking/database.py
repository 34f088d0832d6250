"""The database of an MLflow store: made whole or not at all, by one process at a time."""

import fcntl
import os
import re
import shlex
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from temper.core import artifacts, disk
from temper.core.errors import InputError

QUIET_S, POLL_S = 10.0, 0.1  # of waiting for a lock: until it is said, and between two attempts
HALF_MADE = r"(table|index) \S+ already exists|no such (table|column)|duplicate column|out-of-date"


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a store in SQLite; None for another store."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(uri)
    except ArgumentError:
        return None
    name = url.database if url.drivername.startswith("sqlite") else None
    return None if not name or name.startswith((":", "file:")) else Path(name).resolve()


def ensure(uri: str) -> None:
    """Make the database of a store in SQLite if there is none, under a lock file beside it."""
    file = sqlite_file(uri)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with locked(file.with_name(f"{file.name}.lock")):
            if not file.exists() or not file.stat().st_size:
                make_sqlite(file)


def make_sqlite(file: Path) -> None:
    """Make a database under another name and rename it: MLflow's migrations are not atomic."""
    from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    partial = file.with_name(f"{file.name}.partial")
    for left in (partial, partial.with_name(f"{partial.name}-journal")):
        left.unlink(missing_ok=True)
    store = SqlAlchemyStore(f"sqlite:///{partial}", DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH)
    store.engine.dispose()
    partial.replace(file)
    artifacts.fsync_dir(file.parent)


def remedy(error: BaseException, uri: str) -> str | None:
    """Return what to do about a database whose tables are half made and that holds no run."""
    file = sqlite_file(uri)
    reason = re.search(HALF_MADE, str(error))
    if file is None or reason is None or not is_half_made(file):
        return None
    return (
        f"{file} was left half made ({reason[0]}) and holds no run: rm {shlex.quote(str(file))}; "
        "temper sync"
    )


def is_half_made(file: Path) -> bool:
    """Check whether a SQLite file has tables of MLflow, but no run."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"file:{quote(str(file))}?mode=rw", uri=True)) as connection,
    ):
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        num_runs = connection.execute("SELECT count(*) FROM runs") if "runs" in tables else [(0,)]
        return bool(tables & {"experiments", "alembic_version"}) and list(num_runs) == [(0,)]
    return False


@contextmanager
def locked(path: Path, *, is_required: bool = False) -> Iterator[None]:
    """Hold a lock file; where that is impossible there is none.

    Raises:
        InputError: it is impossible, and required.
    """
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            take(stack.enter_context(path.open("a+")), path)
        except OSError as error:
            if is_required:
                raise InputError(
                    disk.explain(error, path)
                    or f"cannot lock {path}: {error.strerror}; its folder must be writable, on a "
                    "file system that has locks"
                ) from error
        yield


def take(handle: TextIO, path: Path) -> None:
    """Lock a file; where that takes long, say who has it: a server may be slow, a process stopped.

    Raises:
        OSError: its file system has no locks.
    """
    deadline = time.monotonic() + QUIET_S
    while time.monotonic() < deadline:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(POLL_S)
    else:
        handle.seek(0)
        print(f"waiting: process {handle.read() or '?'} holds {path}", file=sys.stderr)
        fcntl.flock(handle, fcntl.LOCK_EX)
    with suppress(OSError):  # a full disk; nothing is left in a buffer to fail when it is closed
        os.ftruncate(handle.fileno(), 0)
        os.write(handle.fileno(), str(os.getpid()).encode())
