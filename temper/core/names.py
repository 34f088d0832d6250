"""Names that become files, stages or words of a command, and so must not hold anything else."""

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


def of_item(stage: str) -> str:
    """Return `train` for `data_files@train`, DVC's name of the running stage (`DVC_STAGE`).

    Raises:
        InputError: what stands behind the `@` is not a safe name.
    """
    return check(stage.rpartition("dvc.yaml:")[2].partition("@")[2])
