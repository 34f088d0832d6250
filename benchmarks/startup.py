"""Fixed costs: seconds of each stage of a tiny run and of commands, and how many are imports.

`python benchmarks/startup.py` prints a Markdown table, measured in a scratch clone of the commit.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([A-Za-z_]\w*)")  # µs of its own, package
STAGES = ("download@dataset", "download@model", "tokenize", "train", "evaluate", "export")
NUM_PACKAGES = 5  # in a row


class Cost(NamedTuple):
    """What a command took, its child processes included."""

    wall_s: float
    cpu_s: float


def run(folder: Path, *command: str, **variables: str) -> tuple[Cost, str]:
    """Run a command in a repository; return its cost, and what it printed on stderr."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = inherited | {"PATH": path, "PYTHONPATH": str(folder)} | variables
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    wall_s, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall_s, cpu_s), done.stderr


def make_empty(folder: Path, num_stages: int) -> None:
    """Make a repository whose stages hand one small file from one to the next, and run them."""
    folder.mkdir()
    (folder / "0.txt").write_text("nothing\n")
    stages = {
        f"stage{i}": {
            "cmd": f"cp {i - 1}.txt {i}.txt",
            "deps": [f"{i - 1}.txt"],
            "outs": [f"{i}.txt"],
        }
        for i in range(1, num_stages + 1)
    }
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    for command in ("git init -q", "dvc init -q", "dvc repro -q"):
        run(folder, *command.split())
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")


def import_seconds(stderr: str) -> dict[str, float]:
    """Return the seconds that each top-level package took to import, in all processes together."""
    seconds: dict[str, float] = defaultdict(float)
    for microseconds, package in IMPORT.findall(stderr):
        seconds[package] += int(microseconds) / 1e6
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def measure(folder: Path, repeats: int, *command: str, **variables: str) -> tuple[Cost, str]:
    """Return the fastest of several runs, and the cells of a table's row."""
    fastest = min(run(folder, *command, **variables)[0] for _ in range(repeats))
    seconds = import_seconds(run(folder, *command, PYTHONPROFILEIMPORTTIME="1", **variables)[1])
    packages = [f"{name} {s:.2f}" for name, s in list(seconds.items())[:NUM_PACKAGES]]
    cells = [f"{fastest.wall_s:.2f}", f"{fastest.cpu_s:.2f}", f"{sum(seconds.values()):.2f}"]
    return fastest, " | ".join([*cells, ", ".join(packages)])


def rows(folder: Path, repeats: int) -> Iterator[str]:
    """Yield the rows of the table."""
    repository, empty = folder / "temper", folder / "empty"
    run(folder, "git", "clone", "-q", str(ROOT), str(repository))
    for command in ("temper --help", "temper check"):
        yield f"`{command}` | {measure(repository, repeats, *command.split())[1]}"
    shutil.copy(ROOT / "tests/params.yaml", repository / "params.yaml")
    run(repository, "dvc", "repro", "-q")
    stages = yaml.safe_load((repository / "dvc.lock").read_text())["stages"]
    total = Cost(0, 0)
    for name in STAGES:
        for partial in ("checkpoints", "tracking"):  # else train finds itself finished
            shutil.rmtree(repository / partial, ignore_errors=True)
        cost, cells = measure(
            repository, repeats, *stages[name]["cmd"].removeprefix("exec ").split(), DVC_STAGE=name
        )
        total = Cost(total.wall_s + cost.wall_s, total.cpu_s + cost.cpu_s)
        yield f"{name} | {cells}"
    yield f"together | {total.wall_s:.2f} | {total.cpu_s:.2f} | |"
    make_empty(empty, len(stages))
    whole, cells = measure(repository, repeats, "dvc", "repro")
    yield f"`dvc repro`, nothing to do | {cells}"
    least, cells = measure(empty, repeats, "dvc", "repro")
    yield f"`dvc repro` of {len(stages)} empty stages | {cells}"
    yield f"their ratio | {whole.wall_s / least.wall_s:.2f} | {whole.cpu_s / least.cpu_s:.2f} | |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="the fastest is shown")
    arguments = parser.parse_args()
    print("| | wall s | CPU s | imports s | of these |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(Path(folder), arguments.repeats):
            print(f"| {row} |", flush=True)
    print(f"\n{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
