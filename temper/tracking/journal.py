"""The journal of a stage: its records as lines and files under `tracking/` at the repository root.

A journal is `tracking/<name>.jsonl`, and a folder `<name>` with copies of the logged files, so that
what is uploaded later is what was recorded. Its owner holds its lock; an unlocked journal may be
uploaded by any process.
"""

import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from temper.tracking import database


def root() -> Path:
    """Return the repository root, also in the worktree of an experiment."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def folder() -> Path:
    return root() / "tracking"


def repository() -> str:
    """Return the id of this clone, which tells its runs from another clone's on a shared server."""
    path = folder() / "repository"
    with database.locked(folder() / "store.lock"), suppress(OSError):
        if not path.exists():
            path.write_text(uuid4().hex[:12])
        return path.read_text()
    return ""


class Journal:
    """Records on disk; while the disk is full, the newest are in memory."""

    def __init__(self, path: Path, descriptor: int | None):
        self.path, self.descriptor = path, descriptor
        self.files, self.num_files = path.with_suffix(""), 0
        self.lock, self.unwritten, self.offset = threading.Lock(), bytearray(), 0

    def write(self, record: dict[str, Any]) -> None:
        """Append a record, after those that could not be written before.

        Raises:
            OSError: the record is only in memory.
        """
        with self.lock:
            self.unwritten += (json.dumps(record) + "\n").encode()
            if self.descriptor is None:
                raise OSError(f"there is no {self.path}")
            while self.unwritten:
                del self.unwritten[: os.write(self.descriptor, self.unwritten)]

    def read(self) -> list[dict[str, Any]]:
        """Return the records since the last call; an incomplete line is left for the next call.

        A line that a failing disk has damaged is skipped.
        """
        with self.lock:
            size = 0 if self.descriptor is None else os.fstat(self.descriptor).st_size
            data = bytes(self.unwritten[max(0, self.offset - size) :])
            if self.descriptor is not None and size > self.offset:
                data = os.pread(self.descriptor, size - self.offset, self.offset) + data
        end = data.rfind(b"\n") + 1
        self.offset += end
        records = []
        for line in data[:end].splitlines():
            with suppress(ValueError):
                records.append(json.loads(line))
        return records

    def keep(self, path: Path) -> str:
        """Copy a file or folder; return the path of the copy below `files`."""
        target = self.files / str(self.num_files) / path.name
        self.num_files += 1
        target.parent.mkdir(parents=True)
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, target)
        return target.relative_to(self.files).as_posix()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        shutil.rmtree(self.files, ignore_errors=True)

    def close(self) -> None:
        """Release the lock: others may upload the journal."""
        if self.descriptor is not None:
            os.close(self.descriptor)
        self.descriptor = None


def create(name: str, warn: Callable[[OSError], None]) -> Journal:
    """Create a journal that this process owns; in memory, after `warn`, where the disk takes none.

    The time stamp in its name sorts the oldest journal first.
    """
    path, descriptor = folder() / f"{time.time_ns()}-{name}.jsonl", None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # before another process can see it
        partial.rename(path)
    except OSError as error:
        warn(error)
    return Journal(path, descriptor)


def left_behind() -> Iterator[Journal]:
    """Yield the journals that no process owns, oldest first; each is locked while it is in use."""
    for path in sorted(folder().glob("*.jsonl")):
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:  # uploaded by another process since
            continue
        journal = Journal(path, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                yield journal
        except BlockingIOError:
            continue
        finally:
            journal.close()
