"""What a trial of `temper sweep` costs besides its training: a train stage that does nothing.

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
PLAN = {
    "method": "random",
    "objective": "validation.accuracy",
    "parameters": {"train.learning_rate": {"low": 1e-6, "high": 1e-2, "log": True}},
    "seed": 1,
}


def environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_"))}
    return kept | {"PYTHONPATH": str(ROOT), "TEMPER_TRACKING": "on"}


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def make(folder: Path, dag: str) -> None:
    """Make a repository: train alone, or the whole pipeline with another command for train."""
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
    """Return the wall and the CPU seconds of a sweep."""
    plan = PLAN | {"name": name, "budget": {"trials": trials}}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(plan))
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    run(folder, "temper", "sweep")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - started, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--dag", choices=["train", "full"], default="train")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "repository"
        folder.mkdir()
        make(folder, chosen.dag)
        measure(folder, "warm", 1)  # MLflow makes its tables
        one, many = measure(folder, "one", 1), measure(folder, "many", chosen.trials)
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("sweep of           wall s   CPU s")
    for name, found in (("1 trial", one), (f"{chosen.trials} trials", many)):
        print(f"{name:<16}{found[0]:>9.2f}{found[1]:>8.2f}")
    by_trial = [value / chosen.trials for value in many]
    print(f"{'by trials':<16}{by_trial[0]:>9.2f}{by_trial[1]:>8.2f}")
    further = [(b - a) / (chosen.trials - 1) for a, b in zip(one, many, strict=True)]
    print(f"{'a further trial':<16}{further[0]:>9.2f}{further[1]:>8.2f}")


if __name__ == "__main__":
    main()
