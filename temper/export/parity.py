"""Exported graphs against the trained model, over a whole split: they agree or the stage fails."""

from functools import partial
from typing import Any

import numpy as np

from temper import inference, metrics
from temper.core.errors import InputError
from temper.tasks.base import Task
from temper.tasks.base.arrays import IGNORE_INDEX, Batch

TOLERANCE = 1e-3  # of an ONNX logit
BATCH = 32
SINGLES = 64  # rows also run alone, the shortest and the longest among them


def check_onnx(
    predictor: inference.Forward, exported: inference.Forward, data: Any, collate: Any, task: Task
) -> float:
    """Return the largest difference of two models' logits, every row in both.

    Raises:
        InputError: it is above `TOLERANCE`; says by how much and in which row.
    """
    order = np.argsort(np.asarray(data["length"]), kind="stable")
    few = order[np.unique(np.linspace(0, len(order) - 1, SINGLES).astype(int))]
    worst, worst_row = 0.0, 0
    for size, rows in ((BATCH, order), (1, few)):
        for start in range(0, len(rows), size):
            chosen = rows[start : start + size]
            batch = collate([data[int(i)] | {"draw": (0, int(i))} for i in chosen])
            found = difference(predictor(batch), exported(batch), batch, task)
            if not found.max() <= worst:
                worst, worst_row = float(found.max()), int(chosen[found.argmax()])
    if not worst <= TOLERANCE:
        raise InputError(
            f"the ONNX model does not agree with the trained one: logits differ by "
            f"{worst:.4g} in row {worst_row}, allowed are {TOLERANCE:g}"
        )
    return worst


def difference(one: np.ndarray, other: np.ndarray, batch: Batch, task: Task) -> np.ndarray:
    """Return each row's largest difference, where its logits are about the row and not padding."""
    gap = np.abs(one - other)
    if gap.ndim == 3 and "decoder_input_ids" in batch:
        gap = gap[:, :, :] * (batch["labels"] != IGNORE_INDEX)[:, :, None]
    elif gap.ndim == 3:
        mask = batch["attention_mask"]
        at_end = gap.shape[2] == mask.shape[1] and gap.shape[1] != mask.shape[1]
        gap = gap * (mask[:, None, :] if at_end else mask[:, :, None])
    return gap.reshape(len(gap), -1).max(-1)


def check_int8(predictor: float, quantized: float, allowed: float) -> float:
    """Return what int8 loses of the score.

    Raises:
        InputError: more than `allowed`.
    """
    drop = predictor - quantized
    if drop > allowed:
        raise InputError(
            f"the int8 model scores {quantized:.4f}, the trained one {predictor:.4f}: it loses "
            f"{drop:.4f}, export.max_score_drop allows {allowed:g}; raise it or set "
            "export.int8: false"
        )
    return drop


def agreement(task: Task, found: list, wanted: list, data: Any) -> float:
    """Return the share of features with the same answer; for numbers, the R² with the trained ones.

    Args:
        task: says what an output means.
        found: outputs of one model, one per feature.
        wanted: those of the trained one.
        data: the features.
    """
    if task.params.metrics == "regression":
        return r_squared(np.stack(found)[:, 0], np.stack(wanted)[:, 0])
    rows = zip(found, wanted, data, strict=True)
    return float(
        np.mean(
            [
                (task.hard_prediction(a, row) == task.hard_prediction(b, row)).all()
                for a, b, row in rows
            ]
        )
    )


def score(task: Task, outputs: list, data: Any) -> float:
    """Return the main score, or R² of numbers: 1 is perfect, as `max_score_drop` means it."""
    name = task.params.metrics
    if name == "regression":
        return r_squared(np.stack(outputs)[:, 0], np.asarray(data["labels"]))
    scores = partial(
        metrics.compute_with_loss
        if metrics.scores_logits(name)
        else metrics.compute_from_predictions,
        name,
    )
    known = getattr(metrics.load(name), "TRAINING_METRICS", metrics.load(name).HEADLINE)
    return task.score(outputs, data, scores)[next(iter(known))]


def r_squared(found: np.ndarray, wanted: np.ndarray) -> float:
    spread = float(((wanted - wanted.mean()) ** 2).mean())
    return 1 - float(((found - wanted) ** 2).mean()) / max(spread, 1e-12)
