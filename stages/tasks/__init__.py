"""One module per task; `load` finds it by the name in params.yaml."""

from importlib import import_module

from stages.params import TaskParams
from stages.tasks.base import Task


def load(params: TaskParams) -> Task:
    """Return the task that `params.name` names, set up with its parameters."""
    return import_module(f"stages.tasks.{params.name}").make(params)
