"""Read finished DVC experiments, their parameters and output files, without a checkout."""

import io
import json
import re
import statistics
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from temper import params, repo
from temper.core import artifacts, csv_file, yaml_file
from temper.core.errors import InputError, alternatives
from temper.params.renamed import with_current_names

if TYPE_CHECKING:
    from dvc.api import DVCFileSystem

METRICS = "data/evaluation/metrics.json"
# what training reads that is made of, or part of, something else that it reads
DERIVED = ("data/tokenized", "data/base/processor")
EXPERIMENT_REF = re.compile(r"^(\w+) refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """The parameters and output files of an experiment, a revision or the workspace."""

    name: str
    rev: str | None  # a commit; None for the workspace
    parameters: params.Params
    files: "DVCFileSystem"  # at its commit

    @cached_property
    def leaves(self) -> dict[str, Any]:
        """The parameters by dotted key."""
        return params.flatten(self.parameters)

    def read_bytes(self, path: str) -> bytes:
        """Return the bytes of an output file.

        Raises:
            InputError: DVC has it neither in its cache nor in a remote.
        """
        return self._read(path, self.files.read_bytes)

    def fetch(self, folder: str, target: Path) -> None:
        """Copy an output folder.

        Raises:
            InputError: DVC has it neither in its cache nor in a remote.
        """
        self._read(folder, lambda path: self.files.get(path, str(target), recursive=True))

    def _read(self, path: str, read: Callable[[str], Any]) -> Any:
        try:
            return read(path)
        except Exception as error:  # DVC and the libraries of its remotes raise anything
            cause = error.__cause__ or error
            known = "" if isinstance(cause, OSError) else f" ({cause!s:.200})"
            is_experiment = self.name in commits()
            fetch = f"dvc exp pull <git remote> {self.name}, " if is_experiment else ""
            go = f"dvc exp apply {self.name}" if is_experiment else f"git checkout {self.rev}"
            remedy = f"fetch it ({fetch}dvc fetch --all-commits) or rerun it ({go}, then dvc repro)"
            raise InputError(
                f"{self.name}: {path} is neither in DVC's cache nor in a remote{known}; "
                f"{'run dvc repro' if self.rev is None else remedy}"
            ) from error

    def read(self, path: str) -> str:
        return self.read_bytes(path).decode("utf-8")

    def read_json(self, path: str) -> Any:
        return artifacts.parse_json(self.read_bytes(path), f"{self.name}: {path}")

    def read_csv(self, path: str) -> list[dict[str, str]]:
        """Return the rows of a CSV file, keeping line breaks inside texts."""
        return list(csv_file.dict_reader(io.StringIO(self.read(path), newline="")))


def finished(names: Sequence[str]) -> list[Experiment]:
    """Return the named experiments, or all of the current commit, newest first.

    Raises:
        InputError: not a DVC repository, or no such experiment has finished.
    """
    repo.check_repository()
    known = commits("HEAD")
    for name in names:
        if name not in known:
            raise InputError(
                f"no experiment {name!r} of the current commit{alternatives(name, known)} "
                "(dvc queue status lists unfinished ones)"
            )
    return [open_experiment(name, known[name][0]) for name in dict.fromkeys(names or known)]


def commits(baseline: str | None = None) -> dict[str, list[str]]:
    """Return the commits of each finished experiment by its name, newest first.

    Args:
        baseline: the revision they started from; None takes all.
    """
    commit = repo.git("rev-parse", baseline) if baseline else ""
    folder = f"refs/exps/{commit[:2]}/{commit[2:]}" if baseline else "refs/exps"
    arguments = ("--sort=-creatordate", "--format=%(objectname) %(refname)")
    known: dict[str, list[str]] = {}
    for rev, name in EXPERIMENT_REF.findall(repo.try_git("for-each-ref", folder, *arguments) or ""):
        known.setdefault(name, []).append(rev)
    return known


def open_experiment(name: str, rev: str | None) -> Experiment:
    """Open an experiment by its commit; None opens the workspace.

    Raises:
        InputError: it has no params.yaml, or one that this version does not accept.
    """
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException

    if rev is not None:
        repo.check_top()
    try:
        files = DVCFileSystem(rev=rev)
        text = files.read_text(params.PARAMS_FILE.as_posix(), encoding="utf-8")
    except OSError:
        raise InputError(f"{name}: there is no {params.PARAMS_FILE}") from None
    except (DvcException, UnicodeDecodeError) as error:
        raise InputError(f"{name}: {error}") from None
    raw, _ = with_current_names(load_yaml(str(text), f"{name}: {params.PARAMS_FILE}"))
    try:
        parameters = params.Params.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        raise InputError(
            f"experiment {name}: its params.yaml is not valid in this version "
            f"({error.error_count()} mistakes); name other experiments"
        ) from None
    return Experiment(name=name, rev=rev, parameters=parameters, files=files)


def load_yaml(text: str, name: str) -> dict[str, Any]:
    """Return the values of a YAML file's text.

    Raises:
        InputError: it is not a mapping in YAML; begins with `name`.
    """
    return yaml_file.values(yaml_file.parse(text, name), name)


def locked_stages(experiment: Experiment) -> dict[str, Any] | None:
    """Return the stages of its dvc.lock; None where it has none."""
    try:
        text = str(experiment.files.read_text("dvc.lock", encoding="utf-8"))
    except OSError:
        return None
    return load_yaml(text, f"{experiment.name}: dvc.lock").get("stages", {})


def other_inputs(experiments: Sequence[Experiment]) -> list[str]:
    """Say what of data, models and code, as dvc.lock has them, is another than that of the first.

    Parameters may be equal all the same: a file was edited, or a branch on the Hub has moved. A
    path that only one has is named after a parameter, as that of an engine is.
    """
    first, *others = [_training_inputs(locked_stages(e) or {}) for e in experiments]
    lines = []
    for experiment, read in zip(experiments[1:], others, strict=True):
        if found := [path for path in repo.changed(first, read) if path in first and path in read]:
            names = repo.summarized(found)
            differ = "differ from those" if len(names) > 1 else "differs from that"
            lines.append(f"{experiment.name}: {', '.join(names)} {differ} of {experiments[0].name}")
    return lines


def _training_inputs(stages: dict[str, Any]) -> dict[str, str]:
    """Return the md5 of the data, models and code that encoding and training read, by path."""
    read = {}
    for name in ("tokenize", "train"):
        read |= repo.hashes(stages.get(name, {}), "deps")
    return {path: md5 for path, md5 in read.items() if path not in DERIVED}


def by_parameters(
    experiments: Sequence[Experiment], ignored: Collection[str]
) -> list[list[Experiment]]:
    """Group experiments whose parameters are equal, except for the ignored ones."""
    groups: dict[str, list[Experiment]] = {}
    for experiment in experiments:
        fixed = {key: value for key, value in experiment.leaves.items() if key not in ignored}
        groups.setdefault(json.dumps(fixed, sort_keys=True), []).append(experiment)
    return list(groups.values())


def check_alike(experiments: Sequence[Experiment], varied: Collection[str], command: str) -> None:
    """Refuse experiments that differ in parameters other than the varied ones.

    Raises:
        InputError: lists the sets that agree, and the parameters that differ between them.
    """
    groups = by_parameters(experiments, varied)
    if len(groups) < 2:
        return
    (first, *_), (second, *_), *_ = groups
    differing = [key for key in repo.changed(first.leaves, second.leaves) if key not in varied]
    lines = [" ".join([command, *(member.name for member in group)]) for group in groups]
    raise InputError(
        f"the experiments also differ in {', '.join(differing)}; name those of one set:\n  "
        + "\n  ".join(lines)
    )


def format_value(value: Any, digits: int | None = 6) -> str:
    """Format a parameter as in params.yaml on one line, a float with this many significant digits.

    With None a float has all its digits.
    """
    if isinstance(value, list | tuple):
        return "[" + ", ".join(format_value(item, digits) for item in value) + "]"
    if isinstance(value, float):
        return str(value) if digits is None else f"{value:.{digits}g}"
    if isinstance(value, str):
        return value.replace("\r", r"\r").replace("\n", r"\n")
    return json.dumps(value)


def format_values(values: Sequence[Any]) -> list[str]:
    """Format the values of one parameter, floats with all digits where fewer make them equal."""
    shown = [format_value(value) for value in values]
    if len(set(shown)) < len({json.dumps(value) for value in values}):
        return [format_value(value, None) for value in values]
    return shown


def format_mean(values: Sequence[float]) -> str:
    """Format mean ± sample standard deviation as `0.9120 ± 0.0130`; a single value alone."""
    mean = f"{statistics.fmean(values):.4f}"
    return f"{mean} ± {statistics.stdev(values):.4f}" if len(values) > 1 else mean
