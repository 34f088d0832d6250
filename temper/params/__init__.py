"""params.yaml → frozen, typed groups, or one error that lists every mistake with its line."""

import json
from pathlib import Path
from typing import Any

from temper.core import validation
from temper.params import rules
from temper.params.renamed import with_current_names
from temper.params.schema import Params
from temper.params.task import TASKS

__all__ = ["PARAMS_FILE", "TASKS", "Params", "flatten", "load"]
PARAMS_FILE = Path("params.yaml")


def load(path: Path = PARAMS_FILE) -> Params:
    """Read and check a parameter file.

    Raises:
        InputError: see `validation.load`.
    """
    page = "docs/parameters.md"
    return validation.load(path, Params, rules.conflicts, page=page, update=with_current_names)


def flatten(params: Params, *, without: str | None = None) -> dict[str, Any]:
    """Return `{"train.learning_rate": 5e-5, …}`: one entry per leaf, lists and {} kept whole.

    A technique that is off has no entry, whether it is absent or written as off.
    """

    def walk(prefix: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or not value:
            return {prefix: value}
        leaves: dict[str, Any] = {}
        for key, inner in value.items():
            leaves |= walk(f"{prefix}.{key}" if prefix else key, inner)
        return leaves

    exclude = {without} if without else None
    return walk("", params.model_dump(exclude=exclude, exclude_defaults=True))


def as_written(params: Params, *, without: str | None = None) -> dict[str, str]:
    """Return the entries of `flatten` as JSON: null, true, ["a", "b"]; a text has no quotes."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in flatten(params, without=without).items()
    }
