"""What the user can mend → one clear message and exit status 1; an interrupt → status 130.

Every entry point runs under `with errors.exit_on_input_error(): ...`.
"""

import errno
import io
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

import yaml

from temper.core import disk

LOCK = Path("dvc.lock")
MAX_LISTED = 20  # names in a message
MEMORY_MESSAGES = (  # of RuntimeErrors of torch and oneDNN
    "out of memory",
    "can't allocate memory",
    "Cannot allocate memory",
    "bad allocation",
    "bad_alloc",
)


class InputError(ValueError):
    """A mistake the user can fix.

    The message says what is wrong, where, what was found, what is allowed and the likely fix.
    """


class RowError(InputError):
    """A mistake in a row of a batch, whose place those name who know where the batch is from."""

    def __init__(self, row: int, message: str):
        super().__init__(message)
        self.row = row  # 0: the first one


@contextmanager
def naming_rows(source: str, first_row: int = 0) -> Iterator[None]:
    """Name the row of a `RowError`.

    Args:
        source: of the batch, such as a split.
        first_row: index in the source of the batch's first row.

    Raises:
        InputError: there was one.
    """
    try:
        yield
    except RowError as error:
        raise InputError(f"{source} row {first_row + error.row + 1}: {error}") from None


@contextmanager
def exit_on_input_error() -> Iterator[None]:
    """Print an error that the user can mend and exit with status 1, an interrupt with 130.

    That is an `InputError`, a full disk, memory that ran out, or a file that cannot be opened.
    `TEMPER_DEBUG=1` shows the traceback.
    """
    print_any_letter()
    try:
        yield
    except KeyboardInterrupt:
        if os.environ.get("RANK", "0") == "0":  # of the processes that train together
            print("interrupted; rerun the same command to resume", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        message, hint = describe(error), _lost_outputs()
        is_shown = message is not None and os.environ.get("TEMPER_DEBUG") != "1"
        for line in (f"error: {message}" if is_shown else None, hint):
            if line is not None:
                print(line, file=sys.stderr)
        if not is_shown:
            raise
        sys.exit(1)


def print_any_letter() -> None:
    """Print letters that the terminal's encoding lacks as escapes, and not end with an error.

    A label or a file's name may have them, where the locale is not one of UTF-8.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def describe(error: Exception) -> str | None:
    """Return the message for an error that the user can mend; None for a fault of this program."""
    if isinstance(error, InputError):
        return str(error)
    if (message := disk.explain(error, Path.cwd())) is not None:
        return message
    if is_out_of_memory(error):
        return (
            f"out of memory ({first_line(error)}): use a smaller model, smaller batches, shorter "
            "or fewer rows, or a machine with more memory"
        )
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Check whether an error means that a GPU or the CPU ran out of memory."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(m in str(error) for m in MEMORY_MESSAGES)


@contextmanager
def explain_full_disk(path: Path) -> Iterator[None]:
    """Name what is written below here if the disk turns out to be full.

    Raises:
        InputError: it is.
    """
    try:
        yield
    except Exception as error:
        message = None if isinstance(error, InputError) else disk.explain(error, path)
        if message is None:
            raise
        raise InputError(message) from error


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its class where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def summary(error: BaseException) -> str:
    """Return an error in one line, with its class unless it is an `InputError`."""
    text = first_line(error)
    return text if isinstance(error, InputError) else f"{type(error).__name__}: {text}"


def nearest(name: str, allowed: Sequence[str]) -> str:
    """Suggest the closest allowed name as ` (did you mean 'x'?)`; empty if none is close."""
    matches = get_close_matches(name, allowed, n=1)
    return f" (did you mean '{matches[0]}'?)" if matches else ""


def alternatives(name: str, allowed: Iterable[str]) -> str:
    """Suggest the closest allowed name and list them: ` (did you mean 'x'?); there are x, y`."""
    names = list(allowed)
    more = ", …" * (len(names) > MAX_LISTED)
    return f"{nearest(name, names)}; there are {', '.join(names[:MAX_LISTED]) or 'none'}{more}"


def _lost_outputs() -> str | None:
    """Say how to get the outputs back that DVC removed before it ran this stage, if it has them.

    DVC tells the stage its name. Of processes that train together, only the main one says it.
    """
    stage = os.environ.get("DVC_STAGE")
    if stage is None or os.environ.get("RANK", "0") != "0":
        return None
    try:
        stages = yaml.safe_load(LOCK.read_text(encoding="utf-8"))["stages"]
        outs = [out for out in stages[stage]["outs"] if not Path(out["path"]).exists()]
        command = [sys.executable, "-m", "dvc", "cache", "dir"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        cache = Path(done.stdout.strip(), "files", "md5")
        if not outs or not all((cache / o["md5"][:2] / o["md5"][2:]).exists() for o in outs):
            return None
    except (OSError, KeyError, TypeError, yaml.YAMLError, subprocess.SubprocessError):
        return None  # a hint must not hide the error
    names = ", ".join(out["path"] for out in outs)
    return f"DVC removed {names} before this run; to restore the last: dvc checkout {stage}"
