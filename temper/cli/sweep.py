"""Run the trials of a sweep.yaml, each a training and an experiment, and show the best so far.

`temper sweep sweep.yaml`, `temper sweep sweep.yaml -j 4 --storage postgresql+psycopg2://…`
"""

import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from temper.cli.summary import tracking_command
from temper.core import yaml_file
from temper.core.errors import InputError, explain_full_disk
from temper.sweep import progress_display, runner, start, sweep_config, sweep_run
from temper.sweep.ranking import describe_failure
from temper.sweep.storage import URL_FILE
from temper.sweep.study import Study

SWEEPS = Path("sweeps")
PATIENCE_S = 60.0  # with nvidia-smi, which a broken driver keeps


def sweep(
    file: Annotated[Path, typer.Argument(help="The sweep's description.")] = Path("sweep.yaml"),
    jobs: Annotated[
        int, typer.Option("-j", "--jobs", min=1, help="Trials side by side, one GPU each.")
    ] = 1,
    storage: Annotated[
        str | None, typer.Option(help="An Optuna storage URL that several machines share.")
    ] = None,
) -> None:
    """Search for the parameters with the best validation score; resumes if interrupted."""
    if not file.exists():
        raise InputError(f"{file}: no such file; docs/sweep.md shows how to write one")
    config, root = sweep_config.load(file), Path.cwd()
    if storage is not None:
        config = config.model_copy(update={"storage": storage})
    os.environ["DVC_ROOT"] = str(root)
    prepared = start.prepare(config, file, root, root / SWEEPS / config.name)
    gpus = devices(jobs, prepared.parameters.train.launch)
    (prepared.folder / "logs").mkdir(parents=True, exist_ok=True)
    with start.try_lock(prepared.folder / "lock") as is_held:
        if not is_held:
            raise InputError(
                f"the sweep {config.name} is already running in this clone; -j sets its number of "
                "workers"
            )
        with explain_full_disk(prepared.folder):
            run(prepared, jobs, gpus)


def run(prepared: start.Sweep, jobs: int, gpus: list[str]) -> None:
    """Run the rest of a sweep whose folder is locked, and show the result."""
    config, folder, console = prepared.config, prepared.folder, Console(highlight=False)
    study = start.open_study(prepared)
    prepared = start.begin(prepared, study.optuna)
    if config.storage is not None:
        (folder / URL_FILE).touch(mode=0o600)  # the URL may hold a password
        (folder / URL_FILE).write_text(config.storage)
    parent = sweep_run.open_run(config.name, prepared.file, study.optuna)
    os.environ["TEMPER_SWEEP"] = config.name
    os.environ["TEMPER_PARENT_RUN"] = parent.run_id if parent else ""
    if jobs > 1:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    display, status = progress_display.Display(study, console), "KILLED"
    try:
        with display.progress:
            runner.run(prepared, study, jobs, gpus, display.update)
        status = "FINISHED"
    finally:
        display.update()
        trials = study.trials()
        text = progress_display.build_table(study, trials).to_markdown()
        sweep_run.close(parent, status, progress_display.format_best(study, trials), text)
    report(study, console)
    console.print(f"next       temper best {config.name}")
    console.print(f"runs       {tracking_command()}")
    if parent:
        is_greater = study.greater_is_better
        page = sweep_run.page_url(
            parent.experiment_id, config.name, config.metric, greater_is_better=is_greater
        )
        console.print(f"           {page}", soft_wrap=True)


def devices(jobs: int, launch: str) -> list[str]:
    """Return the GPUs to distribute over the workers; [] where that is not needed.

    Raises:
        InputError: one training takes several processes, and so all GPUs; or nvidia-smi hangs.
    """
    file = Path("launch") / f"{launch}.yaml"
    if jobs == 1 or launch.startswith("cpu"):
        return []
    if file.exists() and yaml_file.load(file).get("num_processes", 1) > 1:
        raise InputError(
            f"-j {jobs}: a training with {file} takes every GPU: use -j 1, or train.launch: single"
        )
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [d for d in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if d]
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=PATIENCE_S
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"nvidia-smi -L says nothing for {error.timeout:.0f} s: set CUDA_VISIBLE_DEVICES to "
            "the GPUs to use"
        ) from None
    except (OSError, subprocess.CalledProcessError):
        return []
    num_gpus = sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    return [str(i) for i in range(num_gpus)]


def report(study: Study, console: Console) -> None:
    """Print every configuration and the failed trials; an error if all have failed."""
    trials = study.trials()
    progress_display.build_table(study, trials).print(console)
    console.print(progress_display.format_counts(trials))
    if 0 < (num_left := study.num_left()) < math.inf:
        console.print(f"budget.minutes is used up with {num_left} trials left; raise it to go on")
    for trial in trials:
        if trial.state.name == "FAIL":
            reason, log = trial.user_attrs["reason"], trial.user_attrs.get("log")
            console.print(f"trial {trial.number} failed: {reason}; log {log}", soft_wrap=True)
    if (failure := describe_failure(trials, study.config.name)) is not None:
        raise InputError(failure)
