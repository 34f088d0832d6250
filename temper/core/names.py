"""Names that become files, stages or words of a command, and so must not hold anything else."""

import os
import re

from temper.core.errors import InputError

PATTERN = r"^[A-Za-z0-9_.-]+$"


def check(name: str) -> str:
    """Return a name that is safe as a part of a path and of a command.

    Raises:
        InputError: it holds anything but ASCII letters, digits, `_`, `.` and `-`, or is `.` or
            `..`.
    """
    if not re.fullmatch(PATTERN[1:-1], name) or name in (".", ".."):
        raise InputError(
            f"{name!r} is not allowed as a name of files and stages: use letters (a to z), digits, "
            "_, . and - (. and .. alone are folders)"
        )
    return name


def running_item() -> str:
    """Return `train` while DVC runs the stage `data_files@train`, whose name it sets as DVC_STAGE.

    Raises:
        InputError: no `foreach` stage is running, or its item is not called by a safe name.
    """
    match = re.fullmatch(r"(?:.*dvc\.yaml:)?\w+@(.*)", os.environ.get("DVC_STAGE", ""), re.DOTALL)
    if match is None:
        raise InputError("DVC_STAGE: expected a stage such as data_files@train; run `dvc repro`")
    return check(match[1])
