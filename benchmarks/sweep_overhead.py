"""Overhead of a trial of `temper sweep`, measured with a train stage that does nothing.

`python benchmarks/sweep_overhead.py --trials 20 [--dag full]`
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
NOTHING = """
from pathlib import Path
for name in ("model", "checkpoints", "history"):
    Path("data", name).mkdir(parents=True, exist_ok=True)
Path("data/history/validation.csv").write_text("step,epoch,loss,accuracy\\n1,1,0.5,0.5\\n")
"""
ALONE = {
    "stages": {
        "train": {
            "cmd": "python -S -E nothing.py",
            "deps": ["nothing.py"],
            "params": ["seed", "train"],
            "outs": ["data/model", "data/checkpoints", "data/history"],
        }
    }
}
SWEEP = {
    "method": "random",
    "objective": "validation.accuracy",
    "parameters": {"train.learning_rate": {"low": 1e-6, "high": 1e-2, "log": True}},
    "seed": 1,
}


def environment() -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_"))}
    return inherited | {"PYTHONPATH": str(ROOT), "TEMPER_TRACKING": "on"}


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def make(folder: Path, dag: str) -> None:
    """Make a repository: the train stage alone, or the whole pipeline with that train stage."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        if (ROOT / name).exists() and not name.startswith(("dvc.lock", ".dvc/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    shutil.copy(ROOT / "tests/params.yaml", folder / "params.yaml")
    (folder / "nothing.py").write_text(NOTHING)
    pipeline = ALONE
    if dag == "full":
        pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text())
        pipeline["stages"]["train"]["cmd"] = ALONE["stages"]["train"]["cmd"]
        pipeline["stages"]["train"]["deps"].append("nothing.py")
    (folder / "dvc.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
    run(folder, "git", "init", "-q")
    run(folder, "git", "config", "user.name", "benchmark")
    run(folder, "git", "config", "user.email", "benchmark@example.org")
    run(folder, "dvc", "init", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "start")
    run(folder, "dvc", "repro", "-q", "train")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "prepared")


def measure(folder: Path, name: str, trials: int) -> tuple[float, float]:
    """Return the wall-clock and CPU seconds of a sweep."""
    sweep = SWEEP | {"name": name, "budget": {"trials": trials}}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(sweep))
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    run(folder, "temper", "sweep")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - started, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--dag", choices=["train", "full"], default="train")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "repository"
        folder.mkdir()
        make(folder, arguments.dag)
        measure(folder, "warm", 1)  # MLflow creates its tables
        num_trials = arguments.trials
        single, many = measure(folder, "one", 1), measure(folder, "many", num_trials)
    print(f"load average: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("sweep of           wall s   CPU s")
    per_trial = [value / num_trials for value in many]
    marginal = [(b - a) / (num_trials - 1) for a, b in zip(single, many, strict=True)]
    rows = {
        "1 trial": single,
        f"{num_trials} trials": many,
        "per trial": per_trial,
        "a further trial": marginal,
    }
    for name, (wall_s, cpu_s) in rows.items():
        print(f"{name:<16}{wall_s:>9.2f}{cpu_s:>8.2f}")


if __name__ == "__main__":
    main()
