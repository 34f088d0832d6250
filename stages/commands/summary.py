"""What a run made → one table: scores beside baselines, the model, the lock file, what comes next.

`temper summary`
"""

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from stages import outputs, params
from stages.errors import InputError

METRICS, REPORT = Path("data/evaluation/metrics.json"), Path("data/evaluation/report.html")
EXPORT, LOCK = Path("data/export"), Path("dvc.lock")
CAUSES_SHOWN = 4
NEXT = f"""
next       dvc exp run -S train.learning_rate=1e-4     then
           temper compare HEAD workspace               is it really better?
           dvc plots show                              curves, confusion matrix
           temper predict --model {EXPORT} --input new.csv --output scored.csv"""


def summary() -> None:
    """Show the scores, where the model is, whether dvc.lock was met, and the next commands."""
    from rich.console import Console

    from stages.evaluation import report

    for path in (METRICS, REPORT, EXPORT / "config.json", LOCK):
        if not path.exists():
            raise InputError(f"{path} does not exist; run dvc repro")
    parameters, console = params.load(), Console(highlight=False, soft_wrap=True)
    metrics = outputs.read_json(METRICS)
    report.print_summary(metrics, parameters.task.metrics)
    for name, value in metrics["gap"].items():
        if name.endswith("_gap"):
            console.print(f"gap between train and validation, {name[:-4]}: {value:+.3f}")
    console.print(f"\nmodel      {EXPORT} ({sizes(EXPORT)})")
    console.print(f"report     {REPORT}")
    console.print(f"lock file  {lock_verdict()}")
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


def lock_verdict() -> str:
    """Say whether the outputs are those of the committed dvc.lock, or which stages differ."""
    try:
        committed = subprocess.run(
            ["git", "show", f"HEAD:./{LOCK}"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "none is committed: commit dvc.lock to hold this result"
    before, now = yaml.safe_load(committed), yaml.safe_load(LOCK.read_text(encoding="utf-8"))
    differing = compare(before["stages"], now["stages"])
    if not differing:
        return "met: the same bytes as the committed dvc.lock"
    return "\n           ".join(["differs from the committed dvc.lock:", *differing])


def compare(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return for each stage whose outputs differ what else changed about it.

    Args:
        before: `stages` of one dvc.lock.
        now: `stages` of another.
    """
    found = []
    for name in sorted(before.keys() | now.keys()):
        if name not in before or name not in now:
            found.append(f"{name} is {'new' if name in now else 'gone'}")
        elif hashes(before[name], "outs") != hashes(now[name], "outs"):
            causes = changed(hashes(before[name], "deps"), hashes(now[name], "deps"))
            causes += changed(leaves(before[name]), leaves(now[name]))
            shown = ", ".join(causes[:CAUSES_SHOWN])
            more = f" and {len(causes) - CAUSES_SHOWN} more" if len(causes) > CAUSES_SHOWN else ""
            found.append(
                f"{name}: after a change of {shown}{more}"
                if causes
                else f"{name}: with the same inputs, so the machine or the libraries differ"
            )
    return found


def hashes(stage: dict[str, Any], kind: str) -> dict[str, str]:
    """Return the md5 of a locked stage's `deps` or `outs` by path."""
    return {item["path"]: item.get("md5", "") for item in stage.get(kind, [])}


def leaves(stage: dict[str, Any]) -> dict[str, Any]:
    """Return a locked stage's parameters by dotted key."""
    found: dict[str, Any] = {}
    waiting = [("", values) for values in stage.get("params", {}).values()]
    while waiting:
        prefix, values = waiting.pop()
        for key, value in values.items():
            if isinstance(value, dict):
                waiting.append((f"{prefix}{key}.", value))
            else:
                found[prefix + key] = value
    return found


def changed(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the names whose values differ, or that only one of the two has, sorted."""
    return sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))
