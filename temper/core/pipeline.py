"""dvc.yaml → what DVC records of a stage when it has ended: its parameters and its code."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from temper.core.errors import InputError

PIPELINE = Path("dvc.yaml")
IGNORED = Path(".dvcignore")
CODE = ("stages/", "temper/", "launch/")


def read(stage: str, parameters: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the keys of params.yaml that a stage lists, and its deps, placeholders filled.

    Args:
        stage: `train`, or of a `foreach` `download@model`.
        parameters: those that stand in its deps.

    Raises:
        InputError: dvc.yaml was edited since DVC read it, and has no such stage.
    """
    name, _, key = stage.partition("@")
    try:
        body = get(yaml.safe_load(PIPELINE.read_text(encoding="utf-8")), f"stages.{name}")
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{PIPELINE}: cannot be read: {reason}") from None
    if not isinstance(body, dict):
        raise InputError(f"{PIPELINE}: no stage {name!r}; undo the edit of {PIPELINE}")
    known = parameters | {"key": key, "item": get(body, f"foreach.{key}")}
    body = get(body, "do") or body
    return _fill(body.get("params"), known), _fill(body.get("deps"), known)


def code_files(deps: list[str]) -> Iterator[Path]:
    """Yield the files of code among deps, folders expanded, less those that DVC ignores too."""
    lines = IGNORED.read_text(encoding="utf-8").split() if IGNORED.is_file() else []
    ignored = [line for line in lines if "/" not in line]  # a name, wherever it is
    for path in [Path(dep) for dep in deps if dep.startswith(CODE)]:
        for file in (path, *path.rglob("*")):
            named = any(fnmatchcase(part, name) for part in file.parts for name in ignored)
            if not named and file.is_file():
                yield file


def get(tree: Any, dotted: str) -> Any:
    """Return the value of a key such as `task.name`; None where there is none."""
    for part in dotted.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _fill(texts: Any, known: dict[str, Any]) -> list[str]:
    """Replace `${task.name}` and the like; keys of another file (`file: [key]`) are left out."""
    return [
        re.sub(r"\$\{([^}]+)\}", lambda match: str(get(known, match[1])), text)
        for text in (texts if isinstance(texts, list) else ())
        if isinstance(text, str)
    ]
