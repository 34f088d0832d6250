"""Working checkpoints: where they lie, which one is whole, which ones are kept.

`checkpoints/<fingerprint>/` holds `checkpoint-<step>/` (everything a resume needs, the newest two),
`best-<step>/`, `epoch-<n>/` and `last/` (weights and config), and a lock; each member of a soup has
a folder of its own in there, `<fingerprint>-<n>/`. A folder gets its name by a rename once its
files are on disk, and a checkpoint carries a manifest that is compared before it is used.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from temper.core import artifacts, determinism
from temper.core.errors import InputError

MANIFEST = "manifest.json"
KEPT = 2
PIPELINE = Path("dvc.yaml")
CODE = ("stages/", "temper/")
# Code that shows and records; it changes no result.
OBSERVERS = ("temper/tracking/", "temper/training/console.py", "temper/training/reporters.py")
LIBRARIES = ("python", "torch", "transformers", "accelerate", "numpy", "safetensors")
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
DEVICES = ("torch.cpu_capability", "gpu", "cuda")


def folder_for(fingerprint: str) -> Path:
    """Return the fingerprint's folder at the repository root, also from a temporary workspace."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve() / "checkpoints" / fingerprint[:16]


def fingerprint(parameters: Any, folders: list[Path], launch: Path, world_size: int) -> str:
    """Return the sha256 of everything that determines the result of training.

    That is: the parameters train reads, every input file, the code that dvc.yaml lists and the
    user's modules, the versions of the libraries it computes with, the kind of CPU and GPU, the
    launch file and the number of processes.
    """
    known = determinism.environment() | determinism.torch_environment()
    record = {
        "params": parameters.model_dump(
            include={"seed", "determinism", "task", "tokenize", "train"}, mode="json"
        ),
        "network": parameters.model.model_dump(
            include={"head", "lora", "new_tokens", "custom_class"}, mode="json"
        ),
        "positive_label": parameters.evaluate.positive_label,
        "inputs": {folder.name: artifacts.sha256_tree(folder) for folder in folders},
        "code": {path: artifacts.sha256_file(Path(path)) for path in code(parameters)},
        "custom_code": {
            name: artifacts.sha256_file(Path(p)) for name, p in parameters.code.items()
        },
        "environment": [known.get(f"version.{name}") for name in LIBRARIES]
        + [known.get(name) for name in DEVICES],
        "launch": artifacts.sha256_file(launch),
        "world_size": world_size,
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def code(parameters: Any) -> list[str]:
    """Return the code files that dvc.yaml lists for train, its folders expanded."""
    stages = yaml.safe_load(PIPELINE.read_text(encoding="utf-8"))["stages"]
    filled = {"${task.name}": parameters.task.name, "${train.engine}": parameters.train.engine}
    deps = [dep for dep in stages["train"]["deps"] if dep.startswith(CODE)]
    for placeholder, name in filled.items():
        deps = [dep.replace(placeholder, name) for dep in deps]
    files = [Path(dep) for dep in deps if Path(dep).is_file()]
    files += [file for dep in deps for file in Path(dep).rglob("*.py")]
    return sorted(p for p in map(Path.as_posix, files) if not p.startswith(OBSERVERS))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; a second execution of the same training waits, then reuses."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting: the same training runs in another process", file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def publish(partial: Path, target: Path) -> None:
    """Add a manifest to a folder that was written aside, flush it, and give it its name."""
    artifacts.write_json(partial / MANIFEST, artifacts.sha256_tree(partial))
    artifacts.fsync_tree(partial)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    artifacts.fsync_dir(target.parent)


def no_room(folder: Path, name: str, size: int, reason: str) -> InputError:
    """Return the error for a checkpoint of `size` bytes that does not fit on the disk."""
    found = numbered(folder, "checkpoint")
    rest = f"; {found[-1].name} is whole and serves the next start" if found else ""
    return InputError(
        f"no room for {name} in {folder}: it needs {size / 2**20:,.0f} MiB, "
        f"{shutil.disk_usage(folder).free / 2**20:,.0f} MiB are free ({reason}){rest}. "
        "Free some space and run the same command again"
    )


def is_disk_full(error: Exception) -> bool:
    """Tell whether a failed write, of Python, torch or safetensors, is for want of space."""
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    return bool(re.search(r"os error (27|28|122)\b|inline_container|iostream error", str(error)))


def is_whole(folder: Path) -> bool:
    """Tell whether a folder holds exactly what its manifest says."""
    try:
        manifest = artifacts.read_json(folder / MANIFEST)
    except (OSError, ValueError):
        return False
    found = artifacts.sha256_tree(folder)
    found.pop(MANIFEST)
    return found == manifest


def step_of(folder: Path) -> int:
    return int(folder.name.rsplit("-", 1)[1])


def numbered(folder: Path, kind: str) -> list[Path]:
    """Return `folder/<kind>-<n>` in order of n."""
    return sorted(folder.glob(f"{kind}-[0-9]*"), key=step_of)


def newest(folder: Path) -> Path | None:
    """Return the newest whole checkpoint; say which ones are passed over."""
    for candidate in reversed(numbered(folder, "checkpoint")):
        if is_whole(candidate):
            return candidate
        print(f"checkpoint {candidate.name} is torn; going back to the one before", file=sys.stderr)
    return None


def prune(folder: Path, best_step: int | None, averaged: Sequence[int]) -> None:
    """Keep the newest `KEPT` checkpoints, the best weights and those an average is made of."""
    surplus = numbered(folder, "checkpoint")[:-KEPT]
    surplus += [path for path in numbered(folder, "best") if step_of(path) != best_step]
    surplus += [path for path in numbered(folder, "scored") if step_of(path) not in averaged]
    for path in surplus:
        shutil.rmtree(path, ignore_errors=True)
