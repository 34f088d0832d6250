"""Run the trials of a sweep.yaml, each a training and an experiment, and show the best so far.

`temper sweep sweep.yaml`, `temper sweep sweep.yaml -j 4 --storage postgresql+psycopg2://…`
"""

import fcntl
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from temper.cli.summary import tracking_command
from temper.core import yaml_file
from temper.core.errors import InputError, explain_full_disk
from temper.sweep import leases, progress_display, ranking, space, start, sweep_config
from temper.sweep.results import ENDED, describe_failure
from temper.sweep.runner import Runner
from temper.sweep.storage import URL_FILE, open_storage
from temper.sweep.study import Study
from temper.sweep.sweep_run import SweepRun
from temper.sweep.worker_handle import SweepContext

SWEEPS = Path("sweeps")


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
    gpus = devices(jobs, prepared.tree)
    with locked(prepared.folder), explain_full_disk(prepared.folder):
        run(prepared, jobs, gpus)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the sweep's folder.

    Raises:
        InputError: another process holds the lock.
    """
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"the sweep {folder.name} is already running in this clone; -j sets its number of "
                "workers"
            ) from None
        yield


def run(sweep: start.Sweep, jobs: int, gpus: list[str]) -> None:
    """Run the rest of a sweep whose folder is locked, and show the result.

    Args:
        sweep: that was checked.
        jobs: number of workers.
        gpus: a device for each of them; [] leaves CUDA_VISIBLE_DEVICES unset.
    """
    config, console = sweep.config, Console(highlight=False)
    study, beginning = open_study(sweep)
    sweep_run = SweepRun(config.name, sweep.file, study.study.user_attrs.get("runs", {}))
    context = SweepContext(
        config=config,
        tree=sweep.tree,
        root=sweep.root,
        folder=sweep.folder,
        baseline=beginning["baseline"],
        commit=beginning["commit"],
    )
    greater_is_better = study.greater_is_better
    status = "KILLED"
    try:
        with progress_display.Display(study, console) as display:
            Runner(context, study, sweep_run, jobs, gpus, display.update).run()
        status = "FINISHED"
    finally:
        ranked = ranking.rank(
            study.results(), config.num_seeds, greater_is_better=greater_is_better
        )
        best = (
            f"{config.metric} {ranked[0].mean:.4f}  {space.format_values(ranked[0].values)}"
            if ranked
            else ""
        )
        sweep_run.close(status, best)
    page_url = sweep_run.page_url(config.metric, greater_is_better=greater_is_better)
    report(study, console, page_url)


def open_study(sweep: start.Sweep) -> tuple[Study, dict[str, Any]]:
    """Open the sweep's study; return it with the baseline and commit that it started from."""
    config, folder = sweep.config, sweep.folder
    storage, ids = open_storage(sweep.url), (start.folder_id(folder), uuid.uuid4().hex)
    own_leases = leases.Leases(storage.engine, *ids, exclusive=config.storage is None)
    study = Study(
        config, storage, sweep.is_integer, own_leases, greater_is_better=sweep.greater_is_better
    )
    beginning = start.begin(sweep, study.study)
    if config.storage is not None:
        (folder / URL_FILE).touch(mode=0o600)  # the URL may hold a password
        (folder / URL_FILE).write_text(config.storage)
    return study, beginning


def devices(jobs: int, tree: dict[str, Any]) -> list[str]:
    """Return the GPUs to distribute over the workers; [] where that is not needed.

    Raises:
        InputError: one training takes several processes, and so all GPUs.
    """
    name = tree["train"]["launch"]
    launch = Path("launch") / f"{name}.yaml"
    if jobs == 1 or name.startswith("cpu"):
        return []
    if launch.exists():
        content = yaml_file.load(launch)
        if content.get("num_processes", 1) > 1:
            raise InputError(
                f"-j {jobs}: a training with {launch} takes every GPU: use -j 1, or train.launch: "
                "single"
            )
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [d for d in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if d]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return [str(i) for i in range(sum(x.startswith("GPU ") for x in listed.stdout.splitlines()))]


def report(study: Study, console: Console, page_url: str) -> None:
    """Print every configuration, the failed trials and the next commands.

    Args:
        study: of the sweep.
        console: to print on.
        page_url: address of the trials in MLflow, or ''.

    Raises:
        InputError: every trial has failed.
    """
    results = study.results()
    console.print(
        progress_display.build_table(
            study.config, results, greater_is_better=study.greater_is_better
        )
    )
    console.print(progress_display.format_counts(results))
    num_ended = sum(result.state in ENDED for result in results)
    if study.max_trials is not None and num_ended < study.max_trials:
        num_left = study.max_trials - num_ended
        console.print(f"budget.minutes is used up with {num_left} trials left; raise it to go on")
    for result in results:
        if result.state == "FAIL":
            reason, log = result.notes.get("reason"), result.notes.get("log")
            console.print(f"trial {result.number} failed: {reason}; log {log}", soft_wrap=True)
    if (failure := describe_failure(results, study.config.name)) is not None:
        raise InputError(failure)
    console.print(f"next       temper best {study.config.name}")
    console.print(f"runs       {tracking_command()}")
    if page_url:
        console.print(f"           {page_url}", soft_wrap=True)
