"""What a run made → one table: scores beside baselines, the model, the lock file, what comes next.

`temper summary`
"""

import os
from pathlib import Path

from temper import params, repo
from temper.core import artifacts
from temper.core.errors import InputError

METRICS, REPORT = Path("data/evaluation/metrics.json"), Path("data/evaluation/report.html")
EXPORT = Path("data/export")
NEXT = f"""
next       dvc exp run -S train.learning_rate=1e-4     then
           temper compare HEAD workspace               is it really better?
           dvc plots show                              curves, confusion matrix
           temper predict --model {EXPORT} --input new.csv --output scored.csv"""


def summary() -> None:
    """Show the scores, where the model is, whether dvc.lock was met, and the next commands."""
    from rich.console import Console

    from temper.evaluation import report

    for path in (METRICS, REPORT, EXPORT / "config.json", repo.LOCK):
        if not path.exists():
            raise InputError(f"{path} does not exist; run dvc repro")
    parameters, console = params.load(), Console(highlight=False, soft_wrap=True)
    metrics = artifacts.read_json(METRICS)
    report.print_summary(metrics, parameters.task.metrics)
    for name, value in metrics["gap"].items():
        if name.endswith("_gap"):
            console.print(f"gap between train and validation, {name[:-4]}: {value:+.3f}")
    console.print(f"\nmodel      {EXPORT} ({sizes(EXPORT)})")
    console.print(f"report     {REPORT}")
    console.print(f"lock file  {repo.lock_verdict()}")
    console.print(f"runs       {where_runs_are()}")
    console.print(NEXT)


def where_runs_are() -> str:
    """Say how to look at the runs; a server's address may hold a password, so it is not said."""
    served = "MLFLOW_TRACKING_URI" in os.environ
    command = "mlflow ui --backend-store-uri sqlite:///mlflow.db"
    return "on the server of MLFLOW_TRACKING_URI" if served else command


def sizes(folder: Path) -> str:
    """Return the sizes of an export's weights and ONNX graphs."""
    files = [*sorted(folder.glob("*.safetensors")), *sorted(folder.rglob("*.onnx"))]
    return ", ".join(
        f"{file.relative_to(folder).as_posix()} {file.stat().st_size / 2**20:.1f} MiB"
        for file in files
    )
