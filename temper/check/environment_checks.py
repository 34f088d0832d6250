"""Checks of what is outside the repository's files: commands, variables, git, ids of the Hub."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from temper import params, repo
from temper.check.findings import Findings
from temper.core import cores
from temper.core.errors import InputError, alternatives, nearest

VARIABLES = ("DEBUG", "LOG_EVERY", "PARENT_RUN", "REPORT_TO", "SWEEP", "TRACKING")


def check(parameters: params.Params, findings: Findings) -> None:
    """Report commands and variables that the stages would stumble on, and names no Hub has.

    Also say that there are more threads than cores.
    """
    findings.mistakes += [*wrong_commands(), *wrong_variables()]
    if (line := cores.excess_threads(parameters.determinism.num_threads)) is not None:
        findings.facts["threads"] = line
    try:
        repo.try_git("rev-parse", "--is-inside-work-tree")  # DVC does not need git
    except InputError as error:
        reason = " ".join(str(error).split("dubious ownership")[1].split())
        findings.mistakes.append(f"git refuses this repository for its owner {reason}")
    check_hub_ids(parameters, findings)


def wrong_commands() -> list[str]:
    """List what the stages would not find: they run `python` from the PATH, as DVC's own shell."""
    mistakes = [f"PATH: no {name} on it" for name in ("dvc", "python") if not shutil.which(name)]
    python = shutil.which("python")
    if python is not None and Path(python).parent != Path(sys.executable).parent:
        command = [python, "-c", "import sys; print(sys.prefix)"]
        done = subprocess.run(command, capture_output=True, text=True)
        if Path(done.stdout.strip()).resolve() != Path(sys.prefix).resolve():
            mistakes.append(f"PATH: python is {python}, which is not of this environment")
    hint = f"; run `source {Path(sys.prefix) / 'bin/activate'}`"
    return [mistake + hint for mistake in mistakes]


def wrong_variables() -> list[str]:
    """List variables of temper with unknown names or values."""
    from temper import tracking

    prefix, mistakes = "TEMPER_", []
    known = [prefix + name for name in VARIABLES]
    for name in sorted(os.environ):
        if name.startswith(prefix) and name not in known:
            mistakes.append(f"{name}: no such variable{alternatives(name, known)}")
    readers = [tracking.log_every, tracking.is_off]
    if os.environ.get("TEMPER_REPORT_TO"):
        from temper.training import reporters

        readers.append(reporters.names)
    for read in readers:
        try:
            read()
        except InputError as error:
            mistakes.append(str(error))
    return mistakes


def check_hub_ids(parameters: params.Params, findings: Findings) -> None:
    """Report names that are neither under model.files nor possible on the Hub."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    local = parameters.model.files
    names = {f"{k}.name": m.name for k, m in parameters.models.items() if m.name not in local}
    if parameters.data.source == "hub":
        names["data.hub.name"] = str(parameters.data.hub.name)
    for key, name in names.items():
        try:
            validate_repo_id(name)
        except HFValidationError as error:
            here = "" if key == "data.hub.name" else f"{nearest(name, list(local))}, nor a key of "
            here += "" if key == "data.hub.name" else f"model.files ({', '.join(local) or 'none'})"
            findings.add(key, f"{name!r} is no id on the Hub{here}: {error}")
