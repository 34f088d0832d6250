"""Write what a stage leaves behind: stable JSON, hashes, folders that appear all at once."""

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_json(path: Path, value: Any) -> None:
    """Write `value` with sorted keys, so that equal values are equal bytes."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def sha256_file(path: Path) -> str:
    """Return the sha256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_tree(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below `folder` by its posix path, in sorted order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


def remove_stale_manifests(manifests: Path, names: Collection[str]) -> None:
    """Delete the hashes of files the parameters no longer name, as in a fresh clone."""
    for manifest in manifests.glob("*.json"):
        if manifest.stem not in names:
            manifest.unlink()


@contextmanager
def atomic_dir(path: Path) -> Iterator[Path]:
    """Yield a folder beside `path` that takes its place when the block ends without an error.

    Files are flushed to disk before the rename, so a crash leaves the old folder or the new one.
    """
    aside = path.with_name(f".{path.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    yield aside
    fsync_tree(aside)
    if path.exists():
        shutil.rmtree(path)
    aside.rename(path)
    fsync_dir(path.parent)


def fsync_tree(folder: Path) -> None:
    """Wait until everything below a folder is on the disk."""
    for path in (*folder.rglob("*"), folder):
        if path.is_dir():
            fsync_dir(path)
        else:
            with path.open("rb") as handle:
                os.fsync(handle.fileno())


def fsync_dir(folder: Path) -> None:
    """Wait until a folder's names are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
