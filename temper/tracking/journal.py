"""What a stage records → lines and files under `tracking/` at the repository root, and back.

A journal is `tracking/<name>.jsonl`, and a folder `<name>` for copies of what is logged as a file:
what is sent later is what was recorded. Its owner holds its lock; without one it is anybody's.
"""

import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4


def root() -> Path:
    """Return the repository root, also from a temporary experiment workspace."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def folder() -> Path:
    return root() / "tracking"


def repository() -> str:
    """Return a name of this clone, by which a shared server tells its runs from another's."""
    path = folder() / "repository"
    with locked("store"), suppress(OSError):
        if not path.exists():
            path.write_text(uuid4().hex[:12])
        return path.read_text()
    return ""


class Journal:
    """Records on disk; those that the disk has no room for in memory, until it has."""

    def __init__(self, path: Path, descriptor: int | None):
        self.path, self.descriptor = path, descriptor
        self.files, self.num_files = path.with_suffix(""), 0
        self.lock, self.unwritten, self.offset = threading.Lock(), bytearray(), 0

    def write(self, record: dict[str, Any]) -> None:
        """Add a record, after those that could not be written before.

        Raises:
            OSError: it is in memory only.
        """
        with self.lock:
            self.unwritten += (json.dumps(record) + "\n").encode()
            if self.descriptor is None:
                raise OSError(f"there is no {self.path}")
            while self.unwritten:
                del self.unwritten[: os.write(self.descriptor, self.unwritten)]

    def read(self) -> list[dict[str, Any]]:
        """Return the records since the last call; a line in the making is left for the next.

        A line that a failing disk has damaged is left out.
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
        """Copy a file aside; return where it is, below `files`."""
        target = self.files / str(self.num_files) / path.name
        self.num_files += 1
        target.parent.mkdir(parents=True)
        shutil.copyfile(path, target)
        return target.relative_to(self.files).as_posix()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        shutil.rmtree(self.files, ignore_errors=True)

    def close(self) -> None:
        """Leave it to others."""
        if self.descriptor is not None:
            os.close(self.descriptor)
        self.descriptor = None


def create(name: str, warn: Callable[[OSError], None]) -> Journal:
    """Make a journal that this process owns; where there is no room for one, in memory.

    Args:
        name: of the stage and execution; the time before it puts the oldest journal first.
        warn: told why it is in memory.
    """
    path, descriptor = folder() / f"{time.time_ns()}-{name}.jsonl", None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # before anybody can see it
        partial.rename(path)
    except OSError as error:
        warn(error)
    return Journal(path, descriptor)


def left_behind() -> Iterator[Journal]:
    """Yield the journals that no process owns, the oldest first; each is the caller's meanwhile."""
    for path in sorted(folder().glob("*.jsonl")):
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:  # sent by another process since
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


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold a lock of this repository's tracking, `store` or `sending`.

    Where the folder takes no file there is none, as there are no journals for others to send.
    """
    with ExitStack() as stack:
        with suppress(OSError):
            folder().mkdir(parents=True, exist_ok=True)
            handle = stack.enter_context((folder() / f"{name}.lock").open("w"))
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
