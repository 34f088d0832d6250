"""Exported graphs against the trained model, over a whole split: they agree or the stage fails."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from stages import inference
from stages.errors import InputError
from stages.tasks.base import Collator

TOLERANCE = 1e-3  # of an ONNX logit
BATCH = 32
SINGLES = 64  # rows also run alone, the shortest and the longest among them


def all_logits(forward: inference.Forward, data: Any, collate: Collator, batch: int) -> np.ndarray:
    """Return the logits of every row, (rows, outputs)."""
    windows: Iterator = inference.predict(forward, data, collate, batch)
    return np.concatenate([logits for _, logits in windows])


def check_onnx(
    trained: np.ndarray, forward: inference.Forward, data: Any, collate: Collator
) -> float:
    """Return the largest difference from the trained model's logits.

    Raises:
        InputError: it is above `TOLERANCE`; says by how much and in which row.
    """
    difference = np.abs(all_logits(forward, data, collate, BATCH) - trained).max(-1)
    order = np.argsort(np.asarray(data["length"]), kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, SINGLES).astype(int))]
    alone = all_logits(forward, data.select(chosen), collate, 1)
    difference[chosen] = np.maximum(difference[chosen], np.abs(alone - trained[chosen]).max(-1))
    worst = int(difference.argmax())
    if not difference[worst] <= TOLERANCE:
        raise InputError(
            f"the ONNX model does not agree with the trained one: logits differ by "
            f"{difference[worst]:.4g} in row {worst}, allowed are {TOLERANCE:g}"
        )
    return float(difference[worst])


def check_int8(trained: float, quantized: float, allowed: float) -> float:
    """Return what int8 loses of the score.

    Raises:
        InputError: more than `allowed`.
    """
    drop = trained - quantized
    if drop > allowed:
        raise InputError(
            f"the int8 model scores {quantized:.4f}, the trained one {trained:.4f}: it loses "
            f"{drop:.4f}, export.max_accuracy_drop allows {allowed:g}; raise it or set "
            "export.int8: false"
        )
    return drop


def agreement(problem_type: str, logits: np.ndarray, trained: np.ndarray) -> float:
    """Return the share of rows with the same answer; for numbers, the R² with the trained one's."""
    if problem_type == "regression":
        spread = ((trained - trained.mean()) ** 2).mean()
        return 1 - float(((logits - trained) ** 2).mean() / max(spread, 1e-12))
    if problem_type == "multi_label_classification":
        return float(((logits > 0) == (trained > 0)).all(-1).mean())
    return float((logits.argmax(-1) == trained.argmax(-1)).mean())


def score(problem_type: str, logits: np.ndarray, references: np.ndarray) -> float:
    """Return accuracy, micro F1, or R²: 1 is perfect, as `max_accuracy_drop` means it."""
    from stages import metrics

    if problem_type == "regression":
        spread = float(((references - references.mean()) ** 2).mean())
        return 1 - float(((logits[:, 0] - references) ** 2).mean()) / max(spread, 1e-12)
    found = metrics.compute(problem_type, logits, references)
    return found["f1_micro" if problem_type == "multi_label_classification" else "accuracy"]
