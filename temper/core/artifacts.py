"""Stage outputs: reproducible JSON, hashes, folders that are replaced atomically."""

import errno
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from temper.core import disk, errors, scratch

CACHED = re.compile(r"/[0-9a-f]{2}/[0-9a-f]{30}$")  # a file of DVC's cache, wherever that is
MAX_LINKS = 40  # that Linux follows
REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS)
PARTIAL = ".partial-"  # of the name of an unfinished file's folder, as in .gitignore
TAUGHT_FILE = "teachers.json"  # in data/model and data/export: see training/distillation.py


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, so that equal values give equal bytes."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: it is damaged.
    """
    return parse_json(path.read_bytes(), str(path))


def parse_json(content: bytes, file: str) -> Any:
    """Return what a JSON file holds.

    Raises:
        InputError: it is damaged; names the file.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise errors.InputError(
            f"{file} is damaged, no JSON ({errors.first_line(error)}); write it anew, as by dvc "
            "repro or dvc checkout"
        ) from None


def read_optional_json(path: Path) -> Any:
    """Read a JSON file; None where there is none."""
    return read_json(path) if path.exists() else None


def sha256_file(path: Path) -> str:
    """Return the sha256 of a file's bytes without loading the file into memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_tree(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file under `folder` by its relative posix path, sorted."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


def remove_stale_manifests(manifests: Path, names: Collection[str]) -> None:
    """Delete the hashes of files that params.yaml no longer names, as in a fresh clone."""
    for manifest in manifests.glob("*.json"):
        if manifest.stem not in names:
            manifest.unlink()


def remove_stale_folders(folder: Path, names: Collection[str]) -> None:
    """Delete the folders of models that params.yaml no longer names, as in a fresh clone."""
    for path in folder.glob("*/"):
        if path.name not in names:
            shutil.rmtree(path)


@contextmanager
def atomic_dir(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces `path` when the block ends without an error.

    Files are synced to disk before the rename, so a crash leaves the old folder or the new one.

    Raises:
        InputError: the disk is full; the temporary folder is deleted.
    """
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with errors.explain_full_disk(path):
            partial.mkdir(parents=True)
            yield partial
            fsync_tree(partial)
    except Exception as error:
        if disk.reason(error) is not None:
            shutil.rmtree(partial, ignore_errors=True)
        raise
    if path.exists():
        shutil.rmtree(path)
    partial.rename(path)
    fsync_dir(path.parent)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield where to write a file that appears as `path` when the block ends without an error.

    What was there is replaced, under the same permissions: see `_replaced_by`.

    Raises:
        InputError: the disk is full or the folder takes no file; what was there stays.
    """
    target = _replaced_by(path)
    if target is None:
        yield path
        return
    try:
        with (
            errors.explain_full_disk(path),
            scratch.folder(target.parent, PARTIAL) as folder,
        ):
            partial = folder / target.name
            yield partial
            if target.exists():  # a cached file of DVC's is read-only
                partial.chmod(stat.S_IMODE(target.stat().st_mode) | stat.S_IWUSR)
            partial.replace(target)
    except OSError as error:
        if PARTIAL not in str(error.filename):
            raise
        where = " (its folder)" if error.errno in REFUSALS else ""
        raise errors.InputError(f"{path}: {error.strerror}{where}") from None


def _replaced_by(path: Path) -> Path | None:
    """Return the file to replace where `path` is to be written; None where `path` is written to.

    A link's file is replaced, the link itself if it leads into DVC's cache: other commits have the
    same bytes. A device, a pipe or what a process has open, such as /dev/stdout, is written to.
    """
    if path.exists() and not path.is_file():
        return None
    for _ in range(MAX_LINKS):
        if not path.is_symlink():
            break
        folder = path.parent.resolve()
        if folder.is_relative_to("/dev") or folder.is_relative_to("/proc"):
            return None
        target = folder / path.readlink()
        if CACHED.search(target.as_posix()):
            break
        path = target
    return path


def replace_text(path: Path, text: str) -> None:
    """Write a text file, or leave the one that was there, as where the disk is full.

    Raises:
        InputError: it is.
    """
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def fsync_tree(folder: Path) -> None:
    """Sync a folder and everything under it to disk."""
    for path in (*folder.rglob("*"), folder):
        if path.is_dir():
            fsync_dir(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())


def fsync_dir(folder: Path) -> None:
    """Sync a folder's entries, not its files' contents, to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
