"""sweep.yaml → trials, each a training and an experiment; the best so far while they run.

`temper sweep sweep.yaml`, `temper sweep sweep.yaml -j 4 --storage postgresql+psycopg2://…`
"""

import fcntl
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from temper.core import yaml_file
from temper.core.errors import InputError

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
    """Search for the parameters with the best validation score; goes on after an interrupt."""
    from temper.sweep import start
    from temper.sweep import sweep_config as sweep_config

    if not file.exists():
        raise InputError(f"{file}: no such file; write one, as docs/sweep.md says")
    config, root = sweep_config.load(file), Path.cwd()
    if storage is not None:
        config = config.model_copy(update={"storage": storage})
    os.environ["DVC_ROOT"] = str(root)
    prepared = start.prepare(config, file, root, root / SWEEPS / config.name)
    dealt = devices(jobs, prepared.tree)
    try:
        with locked(prepared.folder):
            run(prepared, jobs, dealt)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        raise typer.Exit(130) from None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the sweep's folder.

    Raises:
        InputError: another process does.
    """
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"the sweep {folder.name} is running here already; -j says how many workers it has"
            ) from None
        yield


def run(sweep: Any, jobs: int, dealt: list[str]) -> None:
    """Run what is left of a sweep whose folder is held, and show the result.

    Args:
        sweep: a plan that was checked.
        jobs: workers.
        dealt: a device for each of them; [] leaves them alone.
    """
    from rich.console import Console

    from temper.sweep import progress_display, ranking, runner, space, sweep_run, worker_handle

    config, console = sweep.config, Console(highlight=False)
    study, begun = opened(sweep)
    above = sweep_run.SweepRun(config.name, sweep.file, study.study.user_attrs.get("runs", {}))
    context = worker_handle.SweepContext(
        config=config,
        tree=sweep.tree,
        root=sweep.root,
        folder=sweep.folder,
        baseline=begun["baseline"],
        commit=begun["commit"],
    )
    status = "KILLED"
    try:
        with progress_display.Display(study, console) as display:
            runner.Runner(context, study, above, jobs, dealt, display.update).run()
        status = "FINISHED"
    finally:
        best = ranking.ranked(study.results(), config.num_seeds, greater=study.greater)[:1]
        said = [f"{config.metric} {one.mean:.4f}  {space.as_text(one.values)}" for one in best]
        above.close(status, "".join(said))
    report(study, console, above.page(config.metric, greater=study.greater))


def opened(sweep: Any) -> tuple[Any, dict[str, Any]]:
    """Return the sweep's study, and what it knows of its beginning."""
    from temper.sweep import leases, start
    from temper.sweep.storage import SHARED, open_storage
    from temper.sweep.study import Study

    config, folder = sweep.config, sweep.folder
    storage, names = open_storage(sweep.url), (start.folder_id(folder), uuid.uuid4().hex)
    held = leases.Leases(storage.engine, *names, alone=config.storage is None)
    study = Study(config, storage, sweep.whole, held, greater=sweep.greater)
    begun = start.begin(sweep, study.study)
    if config.storage is not None:
        (folder / SHARED).touch(mode=0o600)  # the URL may hold a password
        (folder / SHARED).write_text(config.storage)
    return study, begun


def devices(jobs: int, tree: dict[str, Any]) -> list[str]:
    """Return the GPUs to deal out to workers; [] where they are left alone.

    Raises:
        InputError: one training takes several processes, and so all GPUs.
    """
    name = tree["train"]["launch"]
    launch = Path("launch") / f"{name}.yaml"
    if jobs == 1 or name.startswith("cpu"):
        return []
    if launch.exists():
        content = yaml.load(launch.read_text(encoding="utf-8"), Loader=yaml_file.Loader)
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


def report(study: Any, console: Any, page: str) -> None:
    """Show every configuration, what failed, and what comes next.

    Args:
        page: address of the trials in MLflow, or ''.
    """
    from temper.cli.summary import where_runs_are
    from temper.sweep import progress_display

    results = study.results()
    console.print(progress_display.table(study.config, results, greater=study.greater))
    most, ended = (
        study.most_trials,
        sum(result.state in progress_display.DONE for result in results),
    )
    console.print(progress_display.counts(results))
    if most is not None and ended < most:
        console.print(f"budget.minutes is used: {most - ended} trials are left; raise it to go on")
    for result in results:
        if result.state == "FAIL":
            reason, log = result.notes.get("reason"), result.notes.get("log")
            console.print(f"trial {result.number} failed: {reason}; log {log}", soft_wrap=True)
    console.print(f"next       temper best {study.config.name}")
    console.print(f"runs       {where_runs_are()}")
    if page:
        console.print(f"           {page}", soft_wrap=True)
