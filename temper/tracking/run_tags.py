"""The environment, git and params.yaml → the tags by which a run in MLflow is found."""

import hashlib
import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from temper import params
from temper.tracking import journal

if TYPE_CHECKING:
    import psutil


def of_run(parameters: params.Params) -> dict[str, str]:
    """Return the tags that identify a run's code, experiment and execution."""
    tags = {"execution": execution(), "repository": journal.repository()}
    for tag, variable in (
        ("dvc.exp_name", "DVC_EXP_NAME"),
        ("dvc.baseline_rev", "DVC_EXP_BASELINE_REV"),
        ("sweep", "TEMPER_SWEEP"),  # set by `temper sweep`
        ("mlflow.parentRunId", "TEMPER_PARENT_RUN"),  # MLflow nests the run below this one
    ):
        if os.environ.get(variable):
            tags[tag] = os.environ[variable]
    tags["mlflow.runName"] = os.environ.get("DVC_EXP_NAME") or f"{started()}-{run_name(parameters)}"
    tags |= {"mlflow.source.name": "dvc.yaml", "mlflow.source.type": "LOCAL"}
    tags["base_model"] = parameters.model.name
    if parameters.model.revision:
        tags["base_revision"] = parameters.model.revision
    with suppress(OSError, subprocess.CalledProcessError):  # in a worktree HEAD is the baseline
        tags["mlflow.source.git.commit"] = _output(["git", "rev-parse", "HEAD"])
        changed = ["git", "status", "--porcelain", "-uno", "--", ":/", ":!dvc.lock"]
        tags["git_dirty"] = str(bool(_output(changed))).lower()  # but for what DVC writes
    return tags


def run_name(parameters: params.Params) -> str:
    """Return the name of a run: the experiment's, or else the model's."""
    return os.environ.get("DVC_EXP_NAME") or parameters.export.name


def execution() -> str:
    """Return an id shared by the stages of one `dvc` process; without one, of this process."""
    process = _dvc_process()
    return hashlib.sha256(f"{process.pid} {process.create_time()}".encode()).hexdigest()[:12]


def started() -> str:
    """Return when this execution began, as 1231-235959 (local time).

    It tells runs apart, and comes first in their names: MLflow's columns show 18 characters.
    """
    return time.strftime("%m%d-%H%M%S", time.localtime(_dvc_process().create_time()))


def _dvc_process() -> "psutil.Process":
    """Return the `dvc` process that this one belongs to; without one, this process."""
    import psutil

    process = psutil.Process()
    for parent in process.parents():
        with suppress(psutil.Error):
            if any(Path(word).name == "dvc" for word in parent.cmdline()[:3]):
                process = parent
                break
    return process


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
