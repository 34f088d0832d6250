"""Checks of the local folders of `train.teachers`, as when they are fetched and asked."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from temper.check.findings import Findings
from temper.ingest import teachers
from temper.params.schema import Params
from temper.tasks.base import registry


def check(parameters: Params, findings: Findings) -> None:
    """Report teachers that are not trained for the task, or cannot encode its rows."""
    task = registry.load(parameters)
    for key, name, folder in _folders(parameters):
        with findings.at(key, f"{key}: "):
            teachers.check(folder, name, task)
            teachers.open_processor(folder, name, task)
    if parameters.task.metrics == "regression":
        check_labels(parameters, None, findings)


def check_labels(parameters: Params, labels: Sequence[str] | None, findings: Findings) -> None:
    """Report teachers of other labels than the data has, in the order of their ids."""
    for key, name, folder in _folders(parameters):
        with findings.at(key, f"{key}: "):
            teachers.order_of_labels(folder, name, labels)


def _folders(parameters: Params) -> Iterator[tuple[str, str, Path]]:
    """Yield the key, name and folder of each teacher that is not on the Hub."""
    for name, p in parameters.train.teachers.items():
        folder = Path(parameters.model.files.get(p.name, ""))
        if p.name in parameters.model.files and (folder / "config.json").is_file():
            yield f"train.teachers.{name}", p.name, folder
