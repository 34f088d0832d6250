"""A write that failed for want of room → one sentence: where, what is full, what helps.

Python, Rust and C++ libraries report it differently: an `OSError`, "os error 28", a stream error.
"""

import errno
import re
import resource
import shutil
from pathlib import Path

from temper.core import causes

MIB = 2**20
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NUMBER = re.compile(r"os error (\d+)\b|\[errno (\d+)\]", re.IGNORECASE)  # of Rust, of Arrow
UNNUMBERED = re.compile(  # torch's archive, a C++ stream, SQLite
    r"inline_container|iostream error|database or disk is full"
)


def reason(error: BaseException) -> int | None:
    """Return ENOSPC, EDQUOT or EFBIG if that caused an error; None for any other error."""
    for seen in causes.chain(error):
        number = seen.errno if isinstance(seen, OSError) else None
        if number is None and (match := NUMBER.search(str(seen))):
            number = int(match[1] or match[2])
        if number in NO_ROOM:
            return number
        if UNNUMBERED.search(str(seen)):  # the likelier reason: a limit, if one is set
            return errno.ENOSPC if _file_limit() is None else errno.EFBIG
    return None


def explain(error: BaseException, path: Path, needed: int | None = None) -> str | None:
    """Describe an error that `reason` knows; None for any other.

    Args:
        path: what was written; the error's own file, if it has one, is named instead.
    """
    number = reason(error)
    if number is None:
        return None
    if isinstance(error, OSError):
        named = error.filename2 or error.filename  # a copy's target; its source is the first
        path = Path(named) if isinstance(named, str) else path
    size = "" if needed is None else f", which needs {needed / MIB:,.0f} MiB"
    if number == errno.EDQUOT:
        cause, remedy = "your disk quota is used up", "free some space"
    elif number == errno.ENOSPC:
        cause = f"the disk is full ({free_bytes(path) / MIB:,.0f} MiB are free)"
        remedy = "free some space"
    elif (limit := _file_limit()) is not None:
        cause = f"no file may be larger than {limit / MIB:,.1f} MiB here (ulimit -f)"
        remedy = "raise that limit"
    else:
        cause, remedy = "its file system takes no file of that size", "use another disk"
    return f"cannot write {path}{size}: {cause}; {remedy} and run the same command again"


def free_bytes(path: Path) -> int:
    """Return the free bytes of the disk that holds a path, which need not exist."""
    existing = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    return shutil.disk_usage(existing).free


def _file_limit() -> int | None:
    """Return the largest file in bytes that this process may write; None where all are allowed."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if limit == resource.RLIM_INFINITY else limit
