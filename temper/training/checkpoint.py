"""Working checkpoints: where they are, which ones are complete, which ones are kept.

`checkpoints/<fingerprint>/` holds `checkpoint-<step>/` (everything a resume needs, the newest two),
`best-<step>/`, `scored-<step>/`, `epoch-<n>/` and `last/` (weights and config), and a lock. Each
member of a model soup has a subfolder, `<fingerprint>-<n>/`. A folder is renamed to its final name
once its files are on disk, and a checkpoint has a manifest that is verified before it is used.
"""

import fcntl
import hashlib
import json
import math
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import yaml

from temper.core import artifacts, determinism, disk
from temper.core.errors import InputError
from temper.params.schema import Params

MANIFEST = "manifest.json"
MAX_CHECKPOINTS = 2  # to resume from
PIPELINE = Path("dvc.yaml")
CODE_FOLDERS = ("stages/", "temper/")
# Code that displays and records; it changes no result.
DISPLAY_CODE = ("temper/tracking/", "temper/training/console.py", "temper/training/reporters.py")
LIBRARIES = ("python", "torch", "transformers", "accelerate", "numpy", "safetensors")
DEVICES = ("torch.cpu_capability", "gpu", "cuda")


def folder_for(fingerprint: str) -> Path:
    """Return the fingerprint's folder at the repository root, also from a temporary workspace."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve() / "checkpoints" / fingerprint[:16]


def fingerprint(parameters: Params, folders: list[Path], launch: Path, world_size: int) -> str:
    """Return the sha256 of everything that determines the result of training.

    That is: the parameters train reads, every input file, the code that dvc.yaml lists and the
    custom modules, the versions of the libraries it computes with, the model of CPU and GPU, the
    launch file and the number of processes.
    """
    environment = determinism.environment() | determinism.torch_environment()
    record = {
        "params": parameters.model_dump(
            include={"seed", "determinism", "task", "tokenize", "train"}, mode="json"
        ),
        "model": parameters.model.model_dump(
            include={"head", "lora", "new_tokens", "custom_class"}, mode="json"
        ),
        "positive_label": parameters.evaluate.positive_label,
        "inputs": {folder.name: artifacts.sha256_tree(folder) for folder in folders},
        "code": {path: artifacts.sha256_file(Path(path)) for path in code_files(parameters)},
        "custom_code": {
            name: artifacts.sha256_file(Path(p)) for name, p in parameters.code.items()
        },
        "environment": [environment.get(f"version.{name}") for name in LIBRARIES]
        + [environment.get(name) for name in DEVICES],
        "launch": artifacts.sha256_file(launch),
        "world_size": world_size,
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def code_files(parameters: Params) -> list[str]:
    """Return the code files that dvc.yaml lists for train, with its folders expanded."""
    stages = yaml.safe_load(PIPELINE.read_text(encoding="utf-8"))["stages"]
    values = {"${task.name}": parameters.task.name, "${train.engine}": parameters.train.engine}
    deps = [dep for dep in stages["train"]["deps"] if dep.startswith(CODE_FOLDERS)]
    for placeholder, value in values.items():
        deps = [dep.replace(placeholder, value) for dep in deps]
    files = [Path(dep) for dep in deps if Path(dep).is_file()]
    files += [file for dep in deps for file in Path(dep).rglob("*.py")]
    return sorted(p for p in map(Path.as_posix, files) if not p.startswith(DISPLAY_CODE))


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


class Publisher:
    """Publishes folders one after the other in a thread, while training goes on.

    After one has failed, nothing is published or deleted any more.
    """

    def __init__(self) -> None:
        self.executor = ThreadPoolExecutor(max_workers=1)
        self.pending: dict[Path, Future[None]] = {}
        self.has_failed = False

    def submit(self, target: Path, publish: Callable[[], None]) -> None:
        """Call `publish` after what was submitted before."""

        def run() -> None:
            if self.has_failed:
                return
            self.has_failed = True
            publish()
            self.has_failed = False

        self.pending[target] = self.executor.submit(run)

    def wait_for(self, target: Path) -> None:
        """Wait until a folder of this name is published; raise what its thread raised."""
        if future := self.pending.pop(target, None):
            future.result()

    def wait(self) -> None:
        """Wait until all folders are published; raise what the first that failed raised."""
        for target in list(self.pending):
            self.wait_for(target)

    def settle(self) -> None:
        """Wait until nothing submitted before is being published, failed or not."""
        if threading.current_thread() is threading.main_thread():  # else it is the next in turn
            futures.wait(self.pending.values())


def disk_full_error(folder: Path, name: str, num_bytes: int, error: Exception) -> InputError:
    """Build the error for a checkpoint of `num_bytes` that does not fit on the disk."""
    resumable = "".join(
        f"; {path.name} is complete; a rerun resumes from it"
        for path in numbered_folders(folder, "checkpoint")[-1:]
    )
    return InputError(f"{disk.explain(error, folder / name, num_bytes)}{resumable}")


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
    """Raise InputError if a folder of weights does not hold exactly the files of its manifest."""
    if not is_complete(folder):
        raise InputError(
            f"{folder} has changed since it was written: a file does not match {MANIFEST}. Run the "
            "same command again: these weights are trained again from the checkpoint before them"
        )


def newest_complete(folder: Path, before: float = math.inf) -> Path | None:
    """Return the newest complete checkpoint; warn about each newer one that is incomplete.

    Args:
        folder: of the training.
        before: only checkpoints of earlier steps count.
    """
    for path in reversed(numbered_folders(folder, "checkpoint")):
        if step_of(path) >= before:
            continue
        if is_complete(path):
            return path
        print(f"{path.name} is incomplete; falling back to the previous one", file=sys.stderr)
    return None


def prune(folder: Path, best_step: int | None, averaged_steps: Sequence[int]) -> None:
    """Keep the newest `MAX_CHECKPOINTS`, the best weights and those that will be averaged."""
    surplus = numbered_folders(folder, "checkpoint")[:-MAX_CHECKPOINTS]
    surplus += [path for path in numbered_folders(folder, "best") if step_of(path) != best_step]
    surplus += [
        path for path in numbered_folders(folder, "scored") if step_of(path) not in averaged_steps
    ]
    for path in surplus:
        shutil.rmtree(path, ignore_errors=True)
