"""Peak memory of `temper predict` by rows, and of evaluate's scoring by rows x classes.

`python benchmarks/memory.py --model data/export`: each measurement runs in a new process.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

SCORING = """
import json, resource, sys, tempfile
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from datasets import Dataset
from temper.evaluation.label_evaluator import LabelEvaluator
rows, labels = int(sys.argv[1]), int(sys.argv[2])
random = np.random.default_rng(1)
examples = Dataset.from_dict({"label": random.integers(0, labels, rows)})
def chunks(features, examples):
    for start in range(0, rows, 8192):
        chunk = examples.select(range(start, min(start + 8192, rows)))
        yield start, random.normal(size=(len(chunk), labels)).astype(np.float32), chunk
task = SimpleNamespace(label_names=[f"l{i}" for i in range(labels)],
                       params=SimpleNamespace(target=("label", "class")))
predictor = SimpleNamespace(task=task, predictions_by_chunk=chunks)
settings = SimpleNamespace(seed=1, task=SimpleNamespace(metrics="classification"), code={},
    evaluate=SimpleNamespace(metrics=None, positive_label=None, threshold=None,
                             bootstrap_samples=100))
evaluator = LabelEvaluator(predictor, settings, {"test": examples}, {"test": examples}, Path())
with tempfile.TemporaryDirectory() as folder:
    result = evaluator.score("test", Path(folder) / "p.csv")
evaluator.scores(result), evaluator.intervals(result.stats)
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
"""


def predict_peak(model: Path, rows: int, folder: Path) -> float:
    """Return the peak resident memory of `temper predict` in MiB."""
    task = json.loads((model / "config.json").read_text())["temper"]["task"]
    source = folder / f"{rows}.csv"
    with source.open("w") as file:
        file.write(",".join(task["text"]) + "\n")
        for i in range(rows):
            file.write(",".join(f"The {name} number {i} was opened." for name in task["text"]))
            file.write("\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    command = ["temper", "predict", "--model", str(model), "--input", str(source)]
    subprocess.run([*command, "--output", str(folder / "scored.csv")], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert after >= before  # the largest child so far, so rows must grow from call to call
    return after / 1024


def main(model: Path, rows: list[int], labels: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for count in sorted(rows):
            peak = predict_peak(model, count, Path(folder))
            print(f"predict, {count:,} rows: {peak:,.0f} MiB", flush=True)
    for count in labels:
        for size in sorted(rows)[:-1]:
            command = [sys.executable, "-c", SCORING, str(size), str(count)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            print(f"scoring, {size:,} rows x {count} labels: {float(done.stdout):,.0f} MiB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--labels", type=int, nargs="+", default=[2, 300])
    main(**vars(parser.parse_args()))
