"""A trial run → how long the real run will take, stage by stage.

Time that grows with the rows is measured per row, step and evaluation, and multiplied; the rest of
a stage (imports, loading, MLflow) is taken as it was. What grows otherwise is left out: baselines,
the resampling behind intervals, back-translation.
"""

import math
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from temper import params
from temper.check.trial_run import TrialRun
from temper.core import arrow
from temper.evaluation import train_sample
from temper.params import user_code
from temper.prediction.predictor import open_trained
from temper.tasks.base import registry
from temper.training import optimizer

FACTOR = 2  # a dozen steps on a busy machine foretell thousands no better (docs/rehearsal.md)
ENCODED_S = 0.3  # least time of measuring an encoding
PARITY_PASSES = 3  # of export over validation: trained, ONNX and int8


def estimate(run: TrialRun, parameters: params.Params) -> dict[str, float]:
    """Return the seconds of each stage of the real run, in the order of dvc.yaml."""
    seconds = dict(run.seconds)
    tokenized = arrow.load(run.folder / "data/tokenized")
    raw = arrow.load(run.folder / "data/raw")
    growth = {str(s): run.num_rows[str(s)] / len(rows) for s, rows in raw.items()}  # to all rows
    more = {str(s): run.num_rows[str(s)] - len(rows) for s, rows in raw.items()}
    seconds["tokenize"] += encoding_s(run.folder, parameters) * sum(more.values())
    num_features = {str(s): len(rows) * growth[str(s)] for s, rows in tokenized.items()}
    length = float(np.mean(tokenized["train"]["length"][:]))
    num_scored = len(tokenized.get("validation", ()))
    seconds["train"] += training_s(run, parameters, num_features, length, num_scored)
    example_s = prediction_s(run.folder, parameters)
    sampled = min(run.num_rows["train"], train_sample.MAX_SCORED) - len(raw["train"])
    scored = max(sampled, 0) + sum(more[s] for s in more if s != "train")
    seconds["evaluate"] += example_s * scored
    compared = next(s for s in ("validation", "test", "train") if s in raw)
    passes = PARITY_PASSES if parameters.export.onnx != "off" else 0
    seconds["export"] += passes * example_s * more[compared]
    return seconds


def encoding_s(folder: Path, parameters: params.Params) -> float:
    """Return the seconds that encoding a row of train takes, augmented rows included."""
    examples = arrow.load(folder / "data/raw")["train"][:]
    task = registry.load(parameters)
    processor = registry.load_processor(folder / "data/base/processor", task)
    encode = user_code.encoder(task, parameters)
    encode(examples, processor, mode="train")
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < ENCODED_S:
        encode(examples, processor, mode="train")
        count += len(next(iter(examples.values())))
    return (time.perf_counter() - started) / count * parameters.tokenize.rows_per_example


def training_s(
    run: TrialRun,
    parameters: params.Params,
    num_features: dict[str, float],
    length: float,
    num_scored: int,
) -> float:
    """Return how much longer the real training takes than the trial's; NaN of under 3 steps.

    Args:
        run: its MLflow database has the time of each step and evaluation.
        parameters: of the real run.
        num_features: encoded rows by split, of the real run.
        length: mean tokens of a row of train.
        num_scored: encoded rows of validation in the trial.
    """
    p = parameters.train
    steps, evaluations = logged_times(run.folder / "mlflow.db")
    lasted = [after - steps[step] for step, after in evaluations.items() if step in steps]
    evaluation_s, last = min(lasted, default=0.0), max(steps, default=0)
    middle = last // 2  # the steps before it warm up
    if not {middle, middle + 1, last} <= steps.keys() or last - middle < 2:
        return math.nan
    step_s = (steps[last] - steps[middle + 1]) / (last - middle - 1)
    if not step_s:  # recorded steps are logged together
        step_s = (steps[last] - evaluations.get(middle, steps[middle])) / (last - middle)
    rows_per_step = p.batch_size or (p.batch_tokens or 1) / length
    per_epoch = math.ceil(num_features["train"] / rows_per_step)
    num_steps = optimizer.num_steps(p, per_epoch)
    every = per_epoch if p.evaluate_every == "epoch" else p.evaluate_every
    num_evaluations = math.ceil(num_steps / every)
    growth = num_features.get("validation", 0.0) / max(num_scored, 1)
    members = p.model_soup_size or 1
    real = members * (num_steps * step_s + num_evaluations * evaluation_s * growth)
    return real - (max(*steps.values(), *evaluations.values()) - min(steps.values()))


def logged_times(database: Path) -> tuple[dict[int, float], dict[int, float]]:
    """Return when each step and each evaluation was logged, in seconds, by step."""
    query = "SELECT step, timestamp FROM metrics WHERE key = ?"
    with closing(sqlite3.connect(database)) as connection:
        steps, evaluations = (
            {step: ms / 1000 for step, ms in connection.execute(query, [f"{prefix}/loss"])}
            for prefix in ("train", "validation")
        )
    return steps, evaluations


def prediction_s(folder: Path, parameters: params.Params) -> float:
    """Return the seconds that evaluate takes to predict an example, generated text included."""
    encoded, raw = (arrow.load(folder / "data" / name) for name in ("tokenized", "raw"))
    split = next((s for s in ("validation", "test") if s in raw), None)
    if split is None:
        return 0.0
    features, examples = encoded[split], raw[split]
    predictor = open_trained(folder / "data/model", parameters)
    elapsed_s = []
    for _ in range(2):
        started = time.perf_counter()
        list(predictor.predictions_by_chunk(features, examples))
        elapsed_s.append(time.perf_counter() - started)
    return min(elapsed_s) / len(examples)


def in_words(seconds: float) -> str:
    """Return a duration such as `50 s`, `4 min` or `2.5 h`, and `unknown` of NaN."""
    if math.isnan(seconds):
        return "unknown"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
