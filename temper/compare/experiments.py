"""Read finished DVC experiments, their parameters and output files, without a checkout."""

import json
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from temper import params, repo
from temper.core import yaml_file
from temper.core.errors import InputError, nearest
from temper.params.renamed import with_current_names

if TYPE_CHECKING:
    from dvc.api import DVCFileSystem

FINISHED = (None, "Success")  # states of an experiment that ran directly, or in the queue


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A finished experiment of this repository."""

    name: str
    parameters: params.Params
    leaves: dict[str, Any]  # the parameters by dotted key
    files: "DVCFileSystem"  # at its commit

    def read_bytes(self, path: str) -> bytes:
        """Return the bytes of an output file.

        Raises:
            FileNotFoundError: DVC has it neither in its cache nor in a remote; holds the reason if
                that is another.
        """
        try:
            content = self.files.read_bytes(path)
        except Exception as error:  # DVC and the libraries of its remotes raise anything
            cause = error.__cause__ or error
            known = "" if isinstance(cause, OSError) else f" ({cause!s:.200})"
            raise FileNotFoundError(f"neither in DVC's cache nor in a remote{known}") from error
        assert isinstance(content, bytes)
        return content

    def read(self, path: str) -> str:
        """Return the text of an output file.

        Raises:
            InputError: DVC does not have the file.
        """
        try:
            return self.read_bytes(path).decode("utf-8")
        except FileNotFoundError as error:
            raise InputError(
                f"experiment {self.name}: {path} is {error}; rerun it with "
                f"dvc exp apply {self.name} && dvc repro, or fetch it with dvc exp pull"
            ) from None

    def read_json(self, path: str) -> Any:
        return json.loads(self.read(path))


def finished(names: Sequence[str]) -> list[Experiment]:
    """Return the named experiments, or all of the current commit, newest first.

    Raises:
        InputError: not a DVC repository, no such experiment, or one has not finished.
    """
    from dvc.api import exp_show
    from dvc.exceptions import DvcException

    repo.check_repository()
    try:
        table = exp_show()
    except DvcException as error:  # a worker is creating or removing its workspace
        raise InputError(f"DVC cannot list experiments now: {error}; try again") from None
    rows = {row["Experiment"]: row for row in table if row["Experiment"]}
    for name in names:
        if name not in rows:
            raise InputError(
                f"no experiment {name!r} of the current commit{nearest(name, list(rows))}; "
                f"there are {', '.join(rows) or 'none'}"
            )
        if rows[name]["State"] not in FINISHED:
            raise InputError(f"experiment {name} has not finished: {rows[name]['State']}")
    selected = names or [name for name, row in rows.items() if row["State"] in FINISHED]
    return [open_experiment(name, rows[name]["rev"]) for name in dict.fromkeys(selected)]


def open_experiment(name: str, rev: str | None) -> Experiment:
    """Open an experiment by its commit; None opens the workspace.

    Raises:
        InputError: it has no params.yaml, or one that this version does not accept.
    """
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException

    try:
        files = DVCFileSystem(rev=rev)
        text = files.read_text(params.PARAMS_FILE.as_posix(), encoding="utf-8")
    except OSError:
        raise InputError(f"{name}: there is no {params.PARAMS_FILE}") from None
    except (DvcException, UnicodeDecodeError) as error:
        raise InputError(f"{name}: {error}") from None
    parameters = parse_params(name, str(text))
    leaves = params.flatten(parameters)
    return Experiment(name=name, parameters=parameters, leaves=leaves, files=files)


def load_yaml(text: str, name: str) -> dict[str, Any]:
    """Return the values of a YAML file's text.

    Raises:
        InputError: it is not a mapping in YAML; begins with `name`.
    """
    return yaml_file.values(yaml_file.parse(text, name), name)


def parse_params(name: str, text: str) -> params.Params:
    """Parse an experiment's params.yaml.

    Raises:
        InputError: this version does not accept it.
    """
    raw, _ = with_current_names(load_yaml(text, f"{name}: {params.PARAMS_FILE}"))
    try:
        return params.Params.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        raise InputError(
            f"experiment {name}: its params.yaml is not valid in this version "
            f"({error.error_count()} mistakes); name other experiments"
        ) from None


def check_alike(experiments: Sequence[Experiment], varied: Collection[str], command: str) -> None:
    """Refuse experiments that differ in parameters other than the varied ones.

    Raises:
        InputError: lists the sets that agree, and the parameters that differ between them.
    """
    sets: dict[str, list[Experiment]] = {}
    for experiment in experiments:
        fixed = {key: value for key, value in experiment.leaves.items() if key not in varied}
        sets.setdefault(json.dumps(fixed, sort_keys=True), []).append(experiment)
    if len(sets) < 2:
        return
    first, second, *_ = (members[0] for members in sets.values())
    differing = [key for key in repo.changed(first.leaves, second.leaves) if key not in varied]
    lines = [" ".join([command, *(member.name for member in members)]) for members in sets.values()]
    raise InputError(
        f"the experiments also differ in {', '.join(differing)}; name those of one set:\n  "
        + "\n  ".join(lines)
    )


def deviation(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation; None for a single value."""
    return statistics.stdev(values) if len(values) > 1 else None


def format_mean(values: Sequence[float]) -> str:
    """Format mean ± standard deviation as `0.9120 ± 0.0130`; a single value alone."""
    mean, spread = sum(values) / len(values), deviation(values)
    return f"{mean:.4f}" if spread is None else f"{mean:.4f} ± {spread:.4f}"
