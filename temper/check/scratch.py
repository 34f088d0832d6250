"""A folder for data that need not stay, beside data/: all of train may not fit into /tmp."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "tmp-scratch-"  # of its name, which .gitignore knows


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a folder that is deleted at the end, or by the next run if this one is killed."""
    disk = Path("data" if Path("data").is_dir() else ".")
    remove_leftovers(disk)
    while True:
        with (
            tempfile.TemporaryDirectory(prefix=PREFIX, dir=disk) as name,
            Path(name, ".lock").open("w") as lock,
        ):
            fcntl.flock(lock, fcntl.LOCK_EX)
            if Path(lock.name).exists():  # else another run has removed it before it was locked
                yield Path(name).resolve()
                return


def remove_leftovers(disk: Path) -> None:
    """Remove the scratch folders of runs that were killed: nobody holds their lock."""
    for file in disk.glob(f"{PREFIX}*/.lock"):
        with suppress(OSError), file.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(file.parent)
