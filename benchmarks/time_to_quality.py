"""CPU seconds from start to scored: the plain Trainer workflow beside a cheap recipe of temper.

`python benchmarks/time_to_quality.py mrpc --data DIR --model DIR` trains on MRPC, in a folder as
benchmarks/README.md describes it; `reviews --data vaderSentiment-3.3.2.tar.gz` on sentences of film
reviews, `addresses --data usaddress-0.5.16.tar.gz` on tagged US addresses, from such archives. Each
run is one process tree on one thread that starts from nothing. Its CPU seconds (user and system,
with those of the processes it starts) are for reading and encoding data, training, and scoring
validation. `--sides temper --fold 0 --set train.epochs=2` tries a setting on a fold of train. See
docs/what-helps.md.
"""

import argparse
import collections
import csv
import io
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mrpc import ROOT, change, last_epoch, write_params

from temper.compare import significance

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "TEMPER_TRACKING": "off",  # the plain workflow tracks nothing either
}
SIDES = ("plain", "temper")
NUM_FOLDS = 5
MIN_ROWS_OF_TAG = 20
SHARED = {
    "determinism.num_threads": 1,
    "model.config": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    "train.precision": "fp32",
    "train.engine": "loop",
}
LOWER_HALF = {"embeddings": True, "layers": 3}
RECIPES: dict[str, dict[str, Any]] = {
    "mrpc": {
        "model.head": {"kind": "linear", "pooling": "pair", "dropout": 0.1},
        "train.freeze": LOWER_HALF,
        "train.epochs": 2,
        "train.learning_rate": 1.5e-4,
        "train.head_learning_rate": 1e-3,
        "train.label_smoothing": 0.1,
    },
    "reviews": {
        "model.head": {"kind": "linear", "pooling": "mean", "dropout": 0.1},
        "train.freeze": LOWER_HALF,
        "train.epochs": 2,
        "train.learning_rate": 2e-4,
        "train.head_learning_rate": 1e-3,
        "train.label_smoothing": 0.1,
    },
    "addresses": {
        "train.freeze": LOWER_HALF,
        "train.epochs": 0.75,
        "train.batch_size": 8,
        "train.learning_rate": 5e-4,
        "train.head_learning_rate": 1e-2,
    },
}


def read_member(tar: tarfile.TarFile, ending: str) -> bytes:
    (name,) = (name for name in tar.getnames() if name.endswith(ending))
    file = tar.extractfile(name)
    assert file is not None, name
    return file.read()


def read_reviews(archive: Path) -> list[dict[str, Any]]:
    """Return sentences that people rated, -4 to 4 on average: the sign is the label.

    Ratings within 0.5 of zero are left out, and the second of two equal sentences.
    """
    with tarfile.open(archive) as outer:
        inner = io.BytesIO(read_member(outer, "hutto_ICWSM_2014.tar.gz"))
    with tarfile.open(fileobj=inner) as tar:
        lines = read_member(tar, "/movieReviewSnippets_GroundTruth.txt").decode().splitlines()
    rated = {text: float(rating) for _, rating, text in (line.split("\t") for line in lines)}
    names = {True: "positive", False: "negative"}
    return [{"sentence": t, "label": names[v > 0]} for t, v in rated.items() if abs(v) >= 0.5]


def read_addresses(archive: Path) -> list[dict[str, Any]]:
    """Return words and IOB2 tags of addresses, without those that have a rare tag."""
    with tarfile.open(archive) as tar:
        root = ET.fromstring(read_member(tar, "training/labeled.xml"))
    rows = {}
    for address in root:
        words = [(word.text or "").strip() for word in address]
        names = [word.tag for word in address]
        begins = [a != b for a, b in itertools.pairwise(["", *names])]
        tags = [f"{'B' if begin else 'I'}-{n}" for begin, n in zip(begins, names, strict=True)]
        rows[tuple(words)] = {"words": words, "tags": tags}
    counts = collections.Counter(tag for row in rows.values() for tag in set(row["tags"]))
    frequent = {tag for tag, count in counts.items() if count >= MIN_ROWS_OF_TAG}
    return [row for row in rows.values() if frequent.issuperset(row["tags"])]


SOURCES = {"reviews": (read_reviews, 2000, 1000), "addresses": (read_addresses, 1000, 371)}


def read_splits(name: str, data: Path, fold: int | None) -> dict[str, list[dict[str, Any]]]:
    """Return train and validation; with `fold`, that fifth of train as validation."""
    if name == "mrpc":
        splits = {s: read_csv(data / f"{s}.csv") for s in ("train", "validation")}
    else:
        read, num_train, num_test = SOURCES[name]
        rows = read(data)
        random.Random(7).shuffle(rows)
        splits = {"train": rows[:num_train], "validation": rows[num_train:][:num_test]}
    if fold is None:
        return splits
    train = splits["train"]
    kept = [row for i, row in enumerate(train) if i % NUM_FOLDS != fold]
    return {"train": kept, "validation": train[fold::NUM_FOLDS]}


def read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_split(rows: list[dict[str, Any]], path: Path) -> None:
    """Write a CSV file, or JSON lines where cells are lists."""
    if "tags" in rows[0]:
        path.with_suffix(".jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return
    with path.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def task_of(name: str, data: Path) -> dict[str, Any]:
    """Return the group `task` of params.yaml."""
    if name == "addresses":
        lines = (data / "train.jsonl").read_text().splitlines()
        tags = sorted({tag for line in lines for tag in json.loads(line)["tags"]})
        task: dict[str, Any] = {"name": "token_classification", "words": "words", "tags": "tags"}
        return task | {"scheme": "IOB2", "labels": tags}
    task = {"name": "sequence_classification", "problem_type": "single_label_classification"}
    if name == "reviews":
        return task | {"text": ["sentence"], "label": "label", "labels": ["negative", "positive"]}
    task |= {"text": ["sentence1", "sentence2"], "label": "label"}
    return task | {"labels": ["not_equivalent", "equivalent"]}


def cpu_seconds(command: list[str], folder: Path) -> tuple[float, str]:
    """Run a command; return the CPU seconds of it and its children, and what it prints."""

    def used() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    done = subprocess.run(
        command, cwd=folder, env=os.environ | ENVIRONMENT, stdout=subprocess.PIPE, check=True
    )
    return used() - before, done.stdout.decode()


def run_plain(name: str, data: Path, model: Path, seed: int, epochs: float) -> dict[str, float]:
    task = task_of(name, data)
    command = [sys.executable, str(ROOT / "benchmarks/plain_trainer.py"), "--data", str(data)]
    command += ["--model", str(model), "--seed", str(seed), "--epochs", str(epochs)]
    command += ["--labels", *task["labels"]]
    tagging = ["--tags", "--text", "words"]
    command += tagging if "tags" in task else ["--text", *task["text"]]
    seconds, output = cpu_seconds(command, data)
    return {"cpu_s": seconds} | json.loads(output.splitlines()[-1])


def run_temper(
    name: str, data: Path, model: Path, seed: int, changes: dict[str, Any]
) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "temper"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(workspace)], check=True)
        (workspace / "dvc.lock").unlink(missing_ok=True)
        task = task_of(name, data)
        files = {s: str(next(data.glob(f"{s}.*"))) for s in ("train", "validation")}
        tree: dict[str, Any] = {
            "task": task,
            "data.files": files,
            "evaluate.positive_label": task["labels"][-1],
        }
        if "tags" in task:
            tree["evaluate.positive_label"] = None
        write_params(workspace, data, model, seed, tree | SHARED | RECIPES[name] | changes)
        seconds, _ = cpu_seconds(["dvc", "repro", "train"], workspace)
        return {"cpu_s": seconds} | last_epoch(workspace)


def report(scores: dict[str, list[dict[str, float]]]) -> None:
    """Print mean ± standard deviation of each side, and the interval of their difference."""
    for metric, scale in {"accuracy": 100, "f1": 100, "cpu_s": 1}.items():
        values = {s: scale * np.array([row[metric] for row in rows]) for s, rows in scores.items()}
        for side, column in values.items():
            spread = column.std(ddof=1) if len(column) > 1 else float("nan")
            print(f"{metric}, {side}: {column.mean():.1f} ± {spread:.1f}")
        if len(values) == 1:
            continue
        if metric == "cpu_s":
            ratio = values["temper"].mean() / values["plain"].mean()
            print(f"{metric}, temper / plain: {ratio:.3f}")
        elif len(values["plain"]) > 1:
            if test := significance.welch(*(values[side].tolist() for side in SIDES)):
                low, high, p = test
                text = f"{low:+.1f} to {high:+.1f} (Welch, 95 %), p {p:.3f}"
            else:
                text = "not tested: no seed differs"
            print(f"{metric}, temper - plain: {text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--plain-epochs", type=float, default=3)
    parser.add_argument("--fold", type=int, help="score this fifth of train, not validation")
    parser.add_argument("--set", dest="changes", type=change, action="append", default=[])
    options = parser.parse_args()
    model = options.model.resolve()
    runs: dict[str, tuple[Callable, Any]] = {
        "plain": (run_plain, options.plain_epochs),
        "temper": (run_temper, dict(options.changes)),
    }
    scores: dict[str, list[dict[str, float]]] = {side: [] for side in options.sides}
    with tempfile.TemporaryDirectory() as folder:
        for split, rows in read_splits(options.name, options.data, options.fold).items():
            write_split(rows, Path(folder) / split)
        for seed in options.seeds:
            for side in options.sides:
                run, how = runs[side]
                row = run(options.name, Path(folder), model, seed, how)
                scores[side].append(row)
                print(json.dumps({"side": side, "seed": seed} | row), flush=True)
    report(scores)


if __name__ == "__main__":
    main()
