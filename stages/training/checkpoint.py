"""Working checkpoints: where they lie, which one is whole, which ones are kept.

`checkpoints/<fingerprint>/` holds `checkpoint-<step>/` (everything a resume needs, the newest two),
`best-<step>/` and `epoch-<n>/` (weights and config), and a lock. A folder gets its name by a rename
once its files are on disk, and a checkpoint carries a manifest that is compared before it is used.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages import outputs

MANIFEST = "manifest.json"
KEPT = 2


def folder_for(fingerprint: str) -> Path:
    """Return the fingerprint's folder at the repository root, also from a temporary workspace."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve() / "checkpoints" / fingerprint[:16]


def fingerprint(parameters: Any, folders: list[Path], launch: Path, world_size: int) -> str:
    """Return the sha256 of everything that determines the result of training.

    That is: the parameters train reads, every input file, the code of `stages` that is loaded, the
    versions of the libraries, the launch file and the number of processes.
    """
    from stages.determinism import environment

    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "stages"]
    sources = sorted({module.__file__ for module in modules if module.__file__})
    package = Path(__file__).parent.parent
    record = {
        "params": parameters.model_dump(
            include={"seed", "determinism", "task", "tokenize", "train"}, mode="json"
        ),
        "positive_label": parameters.evaluate.positive_label,
        "inputs": {folder.name: outputs.sha256_tree(folder) for folder in folders},
        "code": {
            Path(source).relative_to(package).as_posix(): outputs.sha256_file(Path(source))
            for source in sources
            if not source.endswith("tracking.py")
        },
        "versions": {k: v for k, v in environment().items() if k.startswith("version.")},
        "launch": outputs.sha256_file(launch),
        "world_size": world_size,
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


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
    """Flush a folder that was written aside, add its manifest and give it its name."""
    files = sorted(path for path in partial.rglob("*") if path.is_file())
    hashes = outputs.sha256_tree(partial)
    for file in files:
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    outputs.write_json(partial / MANIFEST, hashes)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


def is_whole(folder: Path) -> bool:
    """Tell whether a folder holds exactly what its manifest says."""
    try:
        manifest = outputs.read_json(folder / MANIFEST)
    except (OSError, ValueError):
        return False
    found = outputs.sha256_tree(folder)
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


def prune(folder: Path, best_step: int | None) -> None:
    """Keep the newest `KEPT` checkpoints and the weights of the best step."""
    surplus = numbered(folder, "checkpoint")[:-KEPT]
    surplus += [path for path in numbered(folder, "best") if step_of(path) != best_step]
    for path in surplus:
        shutil.rmtree(path, ignore_errors=True)
