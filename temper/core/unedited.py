"""What a stage began with → an error where DVC would record something else at its end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from temper.core import artifacts, pipeline, yaml_file
from temper.core.errors import InputError

HASHES_OF_CUSTOM_CODE = "data/files/code"
PARAMETERS = "params.yaml"
VALUE = f"{PARAMETERS}: "  # before a key
MAX_LISTED = 5


@contextmanager
def unedited() -> Iterator[None]:
    """Refuse to end a stage of DVC whose parameters or code were edited while it ran.

    DVC reads both when a stage has ended: `dvc.lock` would have values that it did not run with.

    Raises:
        InputError: one of them was.
    """
    stage = os.environ.get("DVC_STAGE", "").rpartition(":")[2]
    if not stage:
        yield
        return
    parameters = yaml_file.load(Path(PARAMETERS))
    keys, deps = pipeline.read(stage, parameters)  # as DVC: not again at the end
    custom_code = parameters.get("code") if HASHES_OF_CUSTOM_CODE in deps else None
    custom = list(map(Path, (custom_code or {}).values()))
    before = _hashes(deps, custom) | _values(parameters, keys)
    yield
    now = _hashes(deps, custom)
    try:
        now |= _values(yaml_file.load(Path(PARAMETERS)), keys)
    except InputError as error:
        edited = [f"{PARAMETERS} ({error})"]
    else:
        edited = [
            _describe(name, before.get(name), now.get(name))
            for name in before | now
            if before.get(name) != now.get(name)
        ]
    if edited:
        more = f" and {len(edited) - MAX_LISTED} more" if len(edited) > MAX_LISTED else ""
        kept = " (the finished training is taken from checkpoints/)" if stage == "train" else ""
        raise InputError(
            f"edited while {stage} ran: {', '.join(edited[:MAX_LISTED])}{more}; DVC would take it "
            "for what the outputs were made with. Undo the edit and run the same command again"
            f"{kept}, or run it with the edit"
        )


def _hashes(deps: list[str], custom: list[Path]) -> dict[str, Any]:
    files = [*pipeline.code_files(deps), *custom]
    return {file.as_posix(): artifacts.sha256_file(file) for file in files if file.is_file()}


def _values(parameters: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    """Return the parameters under each key, by their whole names."""
    found = {}
    for key in keys:
        found |= _leaves(f"{VALUE}{key}", pipeline.get(parameters, key))
    return found


def _leaves(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        return {name: value}
    return {k: v for key in value for k, v in _leaves(f"{name}.{key}", value[key]).items()}


def _describe(name: str, before: Any, now: Any) -> str:
    values = f" ({before!r:.40}, now {now!r:.40})" if name.startswith(VALUE) else ""
    return name + values
