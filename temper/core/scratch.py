"""Folders for data that need not stay, and for unfinished files; a kill leaves none for long."""

import fcntl
import hashlib
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "tmp-scratch-"  # of a name, which .gitignore knows
LOCK = ".lock"
HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]  # some locks are of one host


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a folder beside data/, for all of train may not fit into /tmp: see `folder`."""
    with folder(Path("data" if Path("data").is_dir() else "."), PREFIX) as path:
        yield path


@contextmanager
def folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a folder that is deleted at the end, or by the next call if this process is killed."""
    resolved = parent.resolve()  # mkdtemp takes "link/.." for nothing, since Python 3.12
    remove_leftovers(resolved, prefix)
    while True:
        with (
            tempfile.TemporaryDirectory(prefix=f"{prefix}{HOST}-", dir=resolved) as name,
            Path(name, LOCK).open("w") as lock,
        ):
            with suppress(OSError):  # a file system without locks: nothing is removed there
                fcntl.flock(lock, fcntl.LOCK_EX)
            if Path(lock.name).exists():  # else another run has removed it before it was locked
                yield Path(name).resolve()
                return


def remove_leftovers(parent: Path, prefix: str) -> None:
    """Remove the folders of this machine's processes that were killed: nobody holds their lock."""
    for file in parent.glob(f"{prefix}{HOST}-*/{LOCK}"):
        old = file.parent.with_name(f"{file.parent.name}-old")
        with suppress(OSError):
            with file.open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.parent.rename(old)
            shutil.rmtree(old)  # NFS keeps what is open
