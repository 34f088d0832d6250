"""MRPC with all-MiniLM-L6-v2: temper against the plain Trainer workflow, in one run.

For each seed temper trains three epochs (bf16, length buckets, batch 16, rate 1e-4, warm-up) and
scores validation with its last weights; before it the plain workflow runs as people copy it (fp32,
batch 8, rate 5e-5) for `--plain-steps` steps, so that both run on the same machine. `--set` changes
parameters: `--set train.label_smoothing=0.1`. See benchmarks/README.md and docs/what-helps.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from temper.sweep import space

ROOT = Path(__file__).parent.parent
CHANGES = {
    "determinism": {"portable": False},
    "data": {"overlap": "report", "license": None, "description": "MRPC"},
    "tokenize": {"max_length": 128},
    "train": {
        "epochs": 3,
        "batch_size": 16,
        "learning_rate": 1.0e-4,
        "weight_decay": 0.0,
        "warmup_ratio": 0.1,
        "precision": "bf16",
        "keep_checkpoints": "last",
        "metric_for_best_model": "loss",
    },
}
PLAIN_EPOCHS = 3


def write_params(
    workspace: Path, data: Path, model: Path, seed: int, changes: dict[str, Any]
) -> dict[str, Any]:
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    for group, values in CHANGES.items():
        tree[group].update(values)
    tree["seed"] = seed
    tree["data"]["files"] = {s: str(data / f"{s}.csv") for s in ("train", "validation")}
    tree["data"]["split"] |= {"validation": 0.0, "test": 0.0}
    tree["model"] |= {"name": "minilm", "files": {"minilm": str(model)}, "from_scratch": False}
    tree["train"]["evaluate_every"] = 10**6  # once, at the end: validation selects nothing
    space.set_values(tree, changes)
    (workspace / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    return tree


def timed(command: list[str], workspace: Path) -> float:
    started = time.monotonic()
    subprocess.run(command, cwd=workspace, check=True, stdout=sys.stderr)
    return time.monotonic() - started


def plain_speed(data: Path, model: Path, seed: int, steps: int) -> float:
    command = [sys.executable, str(ROOT / "benchmarks/plain_trainer.py"), "--data", str(data)]
    command += ["--model", str(model), "--seed", str(seed), "--max-steps", str(steps)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])["samples_per_s"]


def last_epoch(workspace: Path) -> dict[str, float]:
    """Return the scores of the last validation: the plain workflow scores its last weights too."""
    lines = (workspace / "data/history/validation.csv").read_text().splitlines()
    return dict(zip(lines[0].split(","), map(float, lines[-1].split(",")), strict=True))


def main(
    data: Path, model: Path, seeds: list[int], plain_steps: int, changes: dict[str, Any]
) -> None:
    data, model, rows = data.resolve(), model.resolve(), []
    num_rows = len((data / "train.csv").read_text().splitlines()) - 1
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "temper"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(workspace)], check=True)
        (workspace / "dvc.lock").unlink(missing_ok=True)
        for seed in seeds:
            speed = plain_speed(data, model, seed, plain_steps)
            p = write_params(workspace, data, model, seed, changes)["train"]
            num_epochs = p["epochs"] * (p.get("model_soup_size") or 1)
            timed(["dvc", "repro", "tokenize"], workspace)
            seconds = timed(["dvc", "repro", "--single-item", "train"], workspace)
            scores = last_epoch(workspace)
            row = {"seed": seed, "accuracy": scores["accuracy"], "f1": scores["f1"]}
            row["plain_samples_per_s"] = speed
            row["temper_samples_per_s"] = num_epochs * num_rows / seconds
            row["cost"] = seconds / (PLAIN_EPOCHS * num_rows / speed)
            rows.append(row)
            print(json.dumps(row), flush=True)
    for name in ("accuracy", "f1"):
        values = np.array([row[name] for row in rows])
        error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
        spread = f"{100 * values.min():.1f} to {100 * values.max():.1f}"
        print(f"{name}: {100 * values.mean():.1f} ± {100 * error:.1f} (standard error), {spread}")
    ratios = [row["temper_samples_per_s"] / row["plain_samples_per_s"] for row in rows]
    print(f"speed: {np.mean(ratios):.2f} times the plain workflow, start-up and saving included")
    cost = np.mean([row["cost"] for row in rows])
    print(f"cost: {cost:.2f} times the seconds of the plain workflow's {PLAIN_EPOCHS} epochs")


def change(text: str) -> tuple[str, Any]:
    key, _, value = text.partition("=")
    return key, yaml.safe_load(value)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--plain-steps", type=int, default=60)
    parser.add_argument("--set", dest="changes", type=change, action="append", default=[])
    arguments = vars(parser.parse_args())
    main(**arguments | {"changes": dict(arguments["changes"])})
