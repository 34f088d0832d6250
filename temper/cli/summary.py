"""Summarise a finished run: scores beside baselines, the model, the lock file, next commands.

`temper summary`
"""

import os
from pathlib import Path

from rich.console import Console

from temper import params, repo
from temper.core import artifacts
from temper.core.errors import InputError
from temper.evaluation import report

METRICS, REPORT = Path("data/evaluation/metrics.json"), Path("data/evaluation/report.html")
EXPORT = Path("data/export")
NEXT = f"""
next       dvc exp run -S train.learning_rate=1e-4     then
           temper compare HEAD workspace               is it significantly better?
           dvc plots show                              curves, confusion matrix
           temper predict --model {EXPORT} --input new.csv --output scored.csv"""


def summary() -> None:
    """Show the scores, the model, whether dvc.lock was reproduced, and next commands."""
    for path in (METRICS, REPORT, EXPORT / "config.json", repo.LOCK):
        if not path.exists():
            raise InputError(f"{path} does not exist; run dvc repro")
    parameters, console = params.load(), Console(highlight=False, soft_wrap=True)
    metrics = artifacts.read_json(METRICS)
    report.print_summary(metrics, parameters.task.metrics)
    for name, value in metrics["gap"].items():
        if name.endswith("_gap"):
            console.print(f"overfitting (train minus validation), {name[:-4]}: {value:+.3f}")
    console.print(f"\nmodel      {EXPORT} ({sizes(EXPORT)})")
    console.print(f"report     {REPORT}")
    console.print(f"lock file  {repo.lock_verdict()}")
    console.print(f"runs       {tracking_command()}")
    console.print(NEXT)


def tracking_command() -> str:
    """Say where the MLflow runs are, without a server's address: it may hold a password."""
    on_server = "MLFLOW_TRACKING_URI" in os.environ
    command = "mlflow ui --backend-store-uri sqlite:///mlflow.db"
    return "on the server of MLFLOW_TRACKING_URI" if on_server else command


def sizes(folder: Path) -> str:
    """List the sizes of an export's weights and ONNX graphs in MiB."""
    files = [*sorted(folder.glob("*.safetensors")), *sorted(folder.rglob("*.onnx"))]
    return ", ".join(
        f"{file.relative_to(folder).as_posix()} {file.stat().st_size / 2**20:.1f} MiB"
        for file in files
    )
