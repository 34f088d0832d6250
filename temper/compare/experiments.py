"""DVC's finished experiments → their parameters and the files they left, without a checkout."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from temper import params, repo
from temper.core import yaml_file
from temper.core.errors import InputError, nearest
from temper.params.renamed import with_current_names

FINISHED = (None, "Success")  # what DVC says of an experiment that ran here, or in a queue


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A finished experiment of this repository."""

    name: str
    parameters: params.Params
    leaves: dict[str, Any]  # the parameters by dotted key
    files: Any  # a DVCFileSystem at its commit

    def read(self, path: str) -> str:
        """Return the text of one of its files.

        Raises:
            InputError: it is not in DVC's cache.
        """
        try:
            return self.files.read_text(path, encoding="utf-8")
        except OSError:
            raise InputError(
                f"experiment {self.name}: {path} is not in the cache; run it again with "
                f"dvc exp apply {self.name} && dvc repro, or fetch it with dvc exp pull"
            ) from None

    def read_json(self, path: str) -> Any:
        return json.loads(self.read(path))


def finished(names: Sequence[str]) -> list[Experiment]:
    """Return the experiments of these names, or all of the current commit, the newest first.

    Raises:
        InputError: this is no DVC repository, or there is no such experiment, or it has not ended.
    """
    from dvc.api import exp_show
    from dvc.exceptions import DvcException

    repo.check_repository()
    try:
        shown = exp_show()
    except DvcException as error:  # a worker is just making or removing its workspace
        raise InputError(f"DVC cannot list experiments now: {error}; try again") from None
    rows = {row["Experiment"]: row for row in shown if row["Experiment"]}
    for name in names:
        if name not in rows:
            raise InputError(
                f"no experiment {name!r} of the current commit{nearest(name, list(rows))}; "
                f"there are {', '.join(rows) or 'none'}"
            )
        if rows[name]["State"] not in FINISHED:
            raise InputError(f"experiment {name} has not finished: {rows[name]['State']}")
    chosen = names or [name for name, row in rows.items() if row["State"] in FINISHED]
    return [open_experiment(name, rows[name]["rev"]) for name in dict.fromkeys(chosen)]


def open_experiment(name: str, rev: str | None) -> Experiment:
    """Return an experiment by its commit; None stands for what lies in the working folder."""
    from dvc.api import DVCFileSystem

    files = DVCFileSystem(rev=rev)
    text = files.read_text(params.PARAMS_FILE.as_posix(), encoding="utf-8")
    found = parse(name, str(text))
    return Experiment(name=name, parameters=found, leaves=params.flatten(found), files=files)


def parse(name: str, text: str) -> params.Params:
    """Return the parameters that an experiment's params.yaml holds.

    Raises:
        InputError: they do not fit this version.
    """
    raw, _ = with_current_names(yaml.load(text, Loader=yaml_file.Loader))
    try:
        return params.Params.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        raise InputError(
            f"experiment {name}: its params.yaml does not fit this version "
            f"({error.error_count()} mistakes); name other experiments"
        ) from None


def check_alike(found: Sequence[Experiment], varied: Collection[str], command: str) -> None:
    """Refuse experiments that also differ in other parameters than those that are varied.

    Raises:
        InputError: names the sets that belong together, and what they differ in.
    """
    sets: dict[str, list[Experiment]] = {}
    for one in found:
        kept = {key: value for key, value in one.leaves.items() if key not in varied}
        sets.setdefault(json.dumps(kept, sort_keys=True), []).append(one)
    if len(sets) < 2:
        return
    first, second, *_ = (members[0] for members in sets.values())
    others = [key for key in repo.changed(first.leaves, second.leaves) if key not in varied]
    lines = [" ".join([command, *(one.name for one in members)]) for members in sets.values()]
    raise InputError(
        f"the experiments differ in {', '.join(others)} too; name those of one set:\n  "
        + "\n  ".join(lines)
    )


def deviation(values: Sequence[float]) -> float | None:
    """Return the standard deviation of a sample; None for a single value."""
    import statistics

    return statistics.stdev(values) if len(values) > 1 else None


def as_text(values: Sequence[float]) -> str:
    """Return `0.912 ± 0.013`, or the value alone."""
    mean, spread = sum(values) / len(values), deviation(values)
    return f"{mean:.4f}" if spread is None else f"{mean:.4f} ± {spread:.4f}"
