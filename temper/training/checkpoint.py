"""Working checkpoints: where they are, which ones are complete, which ones are kept.

`checkpoints/<fingerprint>/` holds `checkpoint-<step>/` (everything a resume needs, the newest two),
`best-<step>/`, `scored-<step>/`, `epoch-<n>/` and `last/` (weights and config), a lock, and what
the fingerprint is made of. Each member of a model soup has a subfolder, `<fingerprint>-<n>/`. A
folder is renamed to its final name once its files are on disk, and a checkpoint has a manifest that
is verified before it is used.
"""

import errno
import fcntl
import math
import os
import shutil
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from temper.core import artifacts, disk
from temper.core.errors import InputError
from temper.training import distributed

if TYPE_CHECKING:
    from torch import nn

MANIFEST = "manifest.json"
MAX_CHECKPOINTS = 2  # to resume from


def folder_for(fingerprint: str) -> Path:
    """Return the fingerprint's folder at the repository root, also from a temporary workspace."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve() / "checkpoints" / fingerprint[:16]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; a second run of the same training waits and reuses the result."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting: another process runs the same training", file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def publish(partial: Path, target: Path) -> None:
    """Add a manifest to a finished folder, flush it to disk and rename it to its final name."""
    artifacts.write_json(partial / MANIFEST, artifacts.sha256_tree(partial))
    artifacts.fsync_tree(partial)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    artifacts.fsync_dir(target.parent)


class CheckpointWriter:
    """Writes folders of weights and checkpoints, which all ranks call alike.

    A thread hashes them and waits for the disk while training goes on, one folder after the other.
    After one has failed, nothing is published or deleted any more.

    Args:
        network: its size is in the message of a disk that is full.
    """

    def __init__(self, folder: Path, network: "nn.Module"):
        self.folder, weights = folder, list(network.parameters())
        # weights, and two fp32 moments per trainable one
        self.num_bytes = sum(p.numel() * (p.element_size() + 8 * p.requires_grad) for p in weights)
        self.executor = ThreadPoolExecutor(max_workers=1)
        self.pending: dict[str, Future[None]] = {}
        self.has_failed = False

    @contextmanager
    def atomic_dir(self, name: str) -> Iterator[Path]:
        """Yield a folder that becomes `<folder>/<name>` some time after all ranks have written it.

        Raises:
            InputError: the disk is full; so it may be found to be by any later call, or by `wait`.
        """
        partial = self.folder / "partial" / name
        with self._explaining_full_disk(name):
            self._wait_for(name)
            partial.mkdir(parents=True, exist_ok=True)
            yield partial
        distributed.wait_for_everyone()

        def publish_partial() -> None:
            with self._explaining_full_disk(name):
                publish(partial, self.folder / name)

        self.submit(name, publish_partial)

    def submit(self, name: str, publish: Callable[[], None]) -> None:
        """Call `publish` on the main process after what was submitted before."""

        def run() -> None:
            if not self.has_failed:
                self.has_failed = True
                publish()
                self.has_failed = False

        if distributed.is_main_process():
            self.pending[name] = self.executor.submit(run)

    def wait(self) -> None:
        """Wait until everything is in its final place on all ranks; raise what failed first."""
        for name in list(self.pending):
            self._wait_for(name)
        distributed.wait_for_everyone()

    def settle(self) -> None:
        """Wait until nothing submitted before is being published, failed or not."""
        if threading.current_thread() is threading.main_thread():  # else it is the next in turn
            futures.wait(self.pending.values())

    def _wait_for(self, name: str) -> None:
        if future := self.pending.pop(name, None):
            future.result()

    @contextmanager
    def _explaining_full_disk(self, name: str) -> Iterator[None]:
        """Turn the error of a disk that is full into one that says what did not fit."""
        try:
            yield
        except Exception as error:
            if disk.reason(error) is None:
                raise
            shutil.rmtree(self.folder / "partial" / name, ignore_errors=True)
            self.settle()
            raise self._disk_full(name, self.num_bytes, error) from error

    def check_disk(self) -> None:
        """Raise InputError if the checkpoints of a training do not fit on the disk."""
        needed = (MAX_CHECKPOINTS + 1) * self.num_bytes
        if shutil.disk_usage(self.folder).free < needed:
            error = OSError(errno.ENOSPC, "before the first step")
            raise self._disk_full("checkpoints", needed, error)

    def _disk_full(self, name: str, num_bytes: int, error: Exception) -> InputError:
        message = disk.explain(error, self.folder / name, num_bytes)
        last = [path.name for path in numbered_folders(self.folder, "checkpoint")[-1:]]
        resumable = f"; {last[0]} is complete; a rerun resumes from it" if last else ""
        return InputError(f"{message}{resumable}")


def is_complete(folder: Path) -> bool:
    """Check whether a folder holds exactly the files of its manifest."""
    try:
        manifest = artifacts.read_json(folder / MANIFEST)
    except (OSError, ValueError):
        return False
    hashes = artifacts.sha256_tree(folder)
    hashes.pop(MANIFEST)
    return hashes == manifest


def step_of(folder: Path) -> int:
    return int(folder.name.rsplit("-", 1)[1])


def numbered_folders(folder: Path, prefix: str) -> list[Path]:
    """Return `folder/<prefix>-<n>` in order of n."""
    return sorted(folder.glob(f"{prefix}-[0-9]*"), key=step_of)


def check_complete(folder: Path) -> None:
    """Raise InputError unless a folder of weights is complete."""
    if not is_complete(folder):
        raise InputError(
            f"{folder} has changed since it was written: a file does not match {MANIFEST}. Run the "
            "same command again: these weights are trained again from the checkpoint before them"
        )


def newest_complete(folder: Path, before: float = math.inf) -> Path | None:
    """Return the newest complete checkpoint before a step; warn about newer, incomplete ones."""
    earlier = [p for p in numbered_folders(folder, "checkpoint") if step_of(p) < before]
    for path in reversed(earlier):
        if is_complete(path):
            return path
        print(f"{path.name} is incomplete; falling back to the previous one", file=sys.stderr)
    return None


def prune(folder: Path, needed: Collection[str]) -> None:
    """Keep the newest `MAX_CHECKPOINTS`, and those of the scored weights that are needed."""
    surplus = numbered_folders(folder, "checkpoint")[:-MAX_CHECKPOINTS]
    weights = [*folder.glob("best-*"), *folder.glob("scored-*")]
    for path in (*surplus, *(path for path in weights if path.name not in needed)):
        shutil.rmtree(path, ignore_errors=True)
