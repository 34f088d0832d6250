"""False positives of `temper compare`: how often it calls equally good models different.

Simulated: pairs of models with the same probability of being right in every row; and how often the
95 % intervals of evaluate hold the score of a million rows. Real: one
configuration of the sample trained with many seeds, every pair compared on the 600 test rows.
See benchmarks/README.md.
"""

import argparse
import csv
import itertools
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from temper import metrics
from temper.compare import row_scores, significance
from temper.evaluation import bootstrap
from temper.metrics import label_stats

ROOT = Path(__file__).parent.parent
NAMES = ("not_equivalent", "equivalent")
SAMPLES = 2000  # of each bootstrap
MAIN = ("accuracy", "f1", "mcc")
Models = list[row_scores.RowScores]


def rejections(pairs: list[Models]) -> dict[str, float]:
    """Return the share of pairs that each test calls different."""
    rejected: dict[str, list[bool]] = {}
    for i, pair in enumerate(pairs):
        observed, resampled = significance.observed(pair), significance.resample(pair, SAMPLES, i)
        for metric in MAIN:
            test = significance.difference(metric, observed[metric], resampled[metric])
            rejected.setdefault(f"bootstrap {metric}", []).append(test.p <= significance.LEVEL)
        assert pair[0].right is not None
        assert pair[1].right is not None
        test = significance.mcnemar(pair[0].right, pair[1].right)
        rejected.setdefault("McNemar mid-p", []).append(test.p <= significance.LEVEL)
    return {name: float(np.mean(values)) for name, values in rejected.items()}


def simulated_pairs(rows: int, share: float, count: int, seed: int) -> list[Models]:
    """Simulate pairs of models with the same probability of being right, which varies by row."""
    random, pairs = np.random.default_rng(seed), []
    for _ in range(count):
        probability = random.beta(2 * share, 2 * (1 - share), rows)
        references = random.integers(0, 2, rows)
        predictions = [
            np.where(random.random(rows) < probability, references, 1 - references)
            for _ in range(2)
        ]
        pairs.append(
            [
                row_scores.from_rows(
                    "classification", as_rows(predicted, references), NAMES, NAMES[1]
                )
                for predicted in predictions
            ]
        )
    return pairs


def as_rows(predictions: np.ndarray, references: np.ndarray) -> list[row_scores.Row]:
    cells = zip(predictions, references, strict=True)
    return [{"prediction": NAMES[p], "reference": NAMES[r]} for p, r in cells]


def coverage(rows: int, share: float, positive: float, count: int) -> dict[str, float]:
    """Return how often the interval of each score holds its value on a million rows.

    Args:
        share: of rows that are right.
        positive: share of the positive label, which precision, recall and F1 are about.
    """
    random = np.random.default_rng(rows)
    scores = partial(metrics.weighted_scores, "classification", positive=1)

    def draw(size: int) -> Any:
        references = (random.random(size) < positive).astype(int)
        predictions = np.where(random.random(size) < share, references, 1 - references)
        return label_stats.per_example_stats(predictions, references, 2)

    true, held = metrics.scores("classification", draw(1_000_000), positive=1), []
    for seed in range(count):
        found = bootstrap.intervals(draw(rows), scores, MAIN, 1000, seed)
        held.append([found[f"{k}_low"] <= true[k] <= found[f"{k}_high"] for k in MAIN])
    return dict(zip(MAIN, np.mean(held, axis=0), strict=True))


def train(workspace: Path, seeds: int, rows: int, epochs: int) -> Models:
    """Train and evaluate the sample's configuration with each seed, through the real stages."""
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    tree["data"]["subset"] = {"train": rows}
    tree["train"]["epochs"] = epochs
    for name in ("dvc.yaml", "stages", "temper", "launch", "data/sample"):
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).symlink_to(ROOT / name)

    def stage(*arguments: str, seed: int = 1, item: str = "") -> None:
        tree["seed"] = seed
        (workspace / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TEMPER_TRACKING": "off"}
        environment |= {"DVC_STAGE": f"item@{item}"} if item else {}
        environment |= {"OMP_WAIT_POLICY": "PASSIVE"}
        command = [sys.executable, "-m", *arguments]
        subprocess.run(command, cwd=workspace, env=environment, check=True, stdout=sys.stderr)

    for group, folder in (("data", "dataset"), ("model", "model")):
        for name in tree[group]["files"]:
            stage("stages.hash_inputs", f"{group}.files", f"data/files/{folder}", item=name)
    stage("stages.download", "dataset", "data/files/dataset", "data/raw")
    stage("stages.download", "model", "data/files/model", "data/base")
    empty = ("data/files/code", "data/files/tokenize", "data/translators")
    stage("stages.tokenize", "data/raw", "data/base/processor", *empty, "data/tokenized")
    models = []
    for seed in range(seeds):
        outs = ("data/model", "data/checkpoints", "data/history")
        stage("stages.train", "data/tokenized", "data/base", *outs, seed=seed)
        read = ("data/model", "data/history", "data/tokenized", "data/raw", "data/zero_shot")
        stage("stages.evaluate", *read, "data/evaluation", seed=seed)
        with (workspace / "data/evaluation/predictions/test.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        models.append(row_scores.from_rows("classification", rows, NAMES, NAMES[1]))
    return models


def report_seeds(models: Models) -> None:
    """Print the scores over the seeds, how many pairs differ, and the variance of a difference."""
    scores = significance.observed(models)
    for metric in MAIN:
        mean, spread = scores[metric].mean(), scores[metric].std(ddof=1)
        print(f"{metric}: {mean:.4f} ± {spread:.4f} over {len(models)} seeds")
    pairs = [list(pair) for pair in itertools.combinations(models, 2)]
    for name, share in rejections(pairs).items():
        print(f"{name}: {share:.3f} of {len(pairs)} pairs called different")
    for size in (2, 3, 5):
        if 2 * size <= len(models):
            share = groups_apart(scores["accuracy"], size)
            print(f"Welch, {size} and {size} seeds: {share:.3f} of the draws called different")
    right = np.array([model.right for model in models], dtype=float)
    differences = [first - second for first, second in itertools.combinations(right, 2)]
    total = np.mean([rows.mean() ** 2 for rows in differences])
    sampling = np.mean([rows.var() / (rows.size - 1) for rows in differences])
    print(f"variance of a pair's accuracy difference: {total:.2e}; of resampling: {sampling:.2e}")


def groups_apart(scores: np.ndarray, size: int, draws: int = 2000) -> float:
    """Return the share of draws in which two groups of seeds are called different (Welch)."""
    random, num_rejected = np.random.default_rng(0), 0
    for _ in range(draws):
        drawn = random.permutation(scores)[: 2 * size]
        test = significance.welch(drawn[:size], drawn[size:])
        num_rejected += test is not None and test[2] <= significance.LEVEL
    return num_rejected / draws


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2000, help="of each simulated case")
    parser.add_argument("--seeds", type=int, default=16, help="trainings; 0 for none")
    parser.add_argument("--rows", type=int, default=16_000, help="of train")
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()
    for rows, share in ((100, 0.8), (600, 0.7), (600, 0.9), (2000, 0.9)):
        shares = rejections(simulated_pairs(rows, share, arguments.repeats, seed=rows))
        print(f"{rows} rows, {share:.0%} right:", *(f"{k} {v:.3f}," for k, v in shares.items()))
    for rows in (30, 100, 300, 1000):
        for share, positive in ((0.8, 0.5), (0.95, 0.1)):
            shares = coverage(rows, share, positive, arguments.repeats)
            case = f"{rows} rows, {share:.0%} right, {positive:.0%} positive"
            print(f"intervals, {case}:", *(f"{k} {v:.3f}," for k, v in shares.items()))
    if arguments.seeds > 1:
        with tempfile.TemporaryDirectory() as folder:
            report_seeds(train(Path(folder), arguments.seeds, arguments.rows, arguments.epochs))


if __name__ == "__main__":
    main()
