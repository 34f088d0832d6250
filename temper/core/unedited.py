"""What a stage began with → an error where DVC would record something else at its end."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from temper.core import artifacts, yaml_file
from temper.core.errors import InputError

CODE = ("stages/", "temper/", "launch/")
HASHES_OF_CUSTOM_CODE = "data/files/code"
VALUE = "params.yaml: "  # before a key
MAX_LISTED = 5


@contextmanager
def unedited() -> Iterator[None]:
    """Refuse to end a stage of DVC whose parameters or code were edited while it ran.

    DVC reads both when a stage has ended: `dvc.lock` would have values that it did not run with.

    Raises:
        InputError: one of them was.
    """
    stage = os.environ.get("DVC_STAGE", "").rpartition(":")[2]
    before = watched(stage) if stage else {}
    yield
    now = watched(stage) if stage else {}
    edited = [name for name in before | now if before.get(name) != now.get(name)]
    if edited:
        values = [_describe(name, before.get(name), now.get(name)) for name in edited[:MAX_LISTED]]
        more = f" and {len(edited) - MAX_LISTED} more" if len(edited) > MAX_LISTED else ""
        raise InputError(
            f"edited while {stage} ran: {', '.join(values)}{more}; DVC would take it for what the "
            "outputs were made with. Undo the edit and run the same command again (a finished "
            "training is taken from checkpoints/), or run it with the edit"
        )


def watched(stage: str) -> dict[str, Any]:
    """Return the parameters that dvc.yaml lists for a stage, and the sha256 of its code.

    Args:
        stage: `train`, or of a `foreach` `download@model`.
    """
    name, _, key = stage.partition("@")
    body = yaml_file.load(Path("dvc.yaml")).get("stages", {}).get(name, {})
    parameters, items = yaml_file.load(Path("params.yaml")), body.get("foreach")
    known = parameters | {"key": key, "item": items.get(key) if isinstance(items, dict) else None}
    body = body.get("do", body)
    groups = [_fill(text, known) for text in body.get("params", ())]
    deps = [_fill(text, known) for text in body.get("deps", ())]
    files = [file for dep in deps if dep.startswith(CODE) for file in _files(Path(dep))]
    if HASHES_OF_CUSTOM_CODE in deps:
        files += map(Path, parameters.get("code", {}).values())
    found = {file.as_posix(): artifacts.sha256_file(file) for file in files if file.is_file()}
    for group in groups:
        found |= _leaves(f"{VALUE}{group}", _get(parameters, group))
    return found


def _files(path: Path) -> Iterator[Path]:
    """Yield a file, or those of a folder without caches and what editors hide beside files."""
    if not path.is_dir():
        yield path
    for file in path.rglob("*"):
        if not file.name.startswith(".") and file.parent.name != "__pycache__":
            yield file


def _fill(text: str, known: dict[str, Any]) -> str:
    """Replace `${task.name}` and the like in a text of dvc.yaml."""
    return re.sub(r"\$\{([^}]+)\}", lambda match: str(_get(known, match[1])), text)


def _get(tree: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _leaves(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        return {name: value}
    return {k: v for key in value for k, v in _leaves(f"{name}.{key}", value[key]).items()}


def _describe(name: str, before: Any, now: Any) -> str:
    values = f" ({before!r:.40}, now {now!r:.40})" if name.startswith(VALUE) else ""
    return name + values
