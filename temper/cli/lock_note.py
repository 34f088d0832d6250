"""An exported folder → a line on stderr where it is not the one that dvc.lock has.

After `git checkout` without `dvc checkout` another commit's model is still on disk. DVC takes a
second to tell; this compares the folder's small files, among them the card with its scores.
"""

import configparser
import hashlib
import re
import sys
from contextlib import suppress
from pathlib import Path

from temper.repo import LOCK, cached_files

DVC = Path(".dvc")
MAX_SIZE = 2**20  # bytes of a file that is compared


def print_if_other(folder: Path) -> None:
    """Print a line where the folder is an output of this repository, with other bytes."""
    other = other_file(folder)
    if other is not None:
        print(
            f"{folder} is not the one of {LOCK} ({other} differs), as after a git checkout alone "
            "(dvc checkout brings that one), or an edit",
            file=sys.stderr,
        )


def other_file(folder: Path) -> str | None:
    """Return the first file that has other bytes in dvc.lock; None where none has, as far as known.

    Unknown are outputs that DVC's cache does not list, and files above `MAX_SIZE`.
    """
    with suppress(OSError, ValueError, configparser.Error):
        path = re.escape(folder.resolve().relative_to(Path.cwd().resolve()).as_posix())
        locked = re.findall(
            rf"^ +- path: {path}\n +hash: md5\n +md5: (\w+\.dir)$",
            LOCK.read_text(encoding="utf-8"),
            re.MULTILINE,
        )
        if locked and folder.is_dir():
            for name, md5 in (cached_files(cache(), locked[-1]) or {}).items():
                if is_other(folder / name, md5):
                    return name
    return None


def is_other(path: Path, md5: str) -> bool:
    """Say whether a small file has another hash or is missing."""
    if not path.is_file():
        return True
    return path.stat().st_size <= MAX_SIZE and hashlib.md5(path.read_bytes()).hexdigest() != md5


def cache() -> Path:
    """Return the folder of DVC's cache, as the configuration in this repository has it."""
    config = configparser.ConfigParser(interpolation=None)
    config.read([DVC / "config", DVC / "config.local"])
    return DVC / config.get("cache", "dir", fallback="cache")
