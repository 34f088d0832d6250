"""What a run made → one table: scores beside baselines, the model, the lock file, what comes next.

`temper summary`
"""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from stages import outputs, params
from stages.errors import InputError

METRICS, LOCK = Path("data/evaluation/metrics.json"), Path("dvc.lock")
EXPORT = Path("data/export")


def summary() -> None:
    """Show the scores, where the model is, whether dvc.lock was met, and the next commands."""
    from rich.console import Console

    from stages.evaluation import report
    from stages.evaluation.scored import Setup

    if not METRICS.exists():
        raise InputError(f"{METRICS} does not exist; run dvc repro")
    parameters, console = params.load(), Console(highlight=False, soft_wrap=True)
    setup = Setup(problem_type=parameters.task.problem_type, names=[], positive=None, threshold=0.5)
    metrics = outputs.read_json(METRICS)
    report.print_summary(metrics, setup)
    for name, value in metrics["gap"].items():
        if name.endswith("_gap"):
            console.print(f"gap between train and validation, {name[:-4]}: {value:+.3f}")
    size = sum(path.stat().st_size for path in EXPORT.rglob("*.onnx")) / 2**20
    console.print(f"\nmodel      {EXPORT} (transformers folder, {size:.1f} MiB of ONNX)")
    console.print(f"report     {METRICS.parent / 'report.html'}")
    console.print(f"lock file  {lock_verdict()}")
    console.print("runs       mlflow ui --backend-store-uri sqlite:///mlflow.db")
    console.print(
        "\nnext       dvc exp run -S train.learning_rate=1e-4     then  dvc exp show\n"
        f"           temper predict --model {EXPORT} --input new.csv --output scored.csv\n"
        "           dvc plots show"
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
    return "differs from the committed dvc.lock: " + "; ".join(differing)


def compare(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return for each stage whose outputs differ what else changed about it."""

    def hashes(stage: dict, kind: str) -> dict[str, str]:
        return {item["path"]: item.get("md5", "") for item in stage.get(kind, [])}

    found = []
    for name in sorted(before.keys() | now.keys()):
        if name not in before or name not in now:
            found.append(f"{name} is {'new' if name in now else 'gone'}")
            continue
        old, new = before[name], now[name]
        if hashes(old, "outs") == hashes(new, "outs"):
            continue
        causes = [p for p, h in hashes(new, "deps").items() if hashes(old, "deps").get(p) != h]
        if old.get("params") != new.get("params"):
            causes.append("params.yaml")
        why = f"after a change of {', '.join(causes)}" if causes else "with the same inputs"
        found.append(f"{name} {why}")
    return found
