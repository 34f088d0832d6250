"""Logits of labels or of a number → the columns that `temper predict` adds."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from temper.core.errors import InputError
from temper.tasks.base.arrays import log_softmax, significant

TargetKind = Literal["class", "classes", "number"]


def prediction_columns(
    logits: Sequence[np.ndarray],
    label_names: Sequence[str],
    target_kind: TargetKind,
    threshold: float | np.ndarray,
) -> dict[str, list]:
    """Return `prediction`, `score` and one `score_<label>` per label; for numbers the first only.

    Args:
        logits: (outputs,), one per example.
        label_names: in the order of their ids; none for numbers.
        threshold: the probability that each of several labels needs, one for all or one each.

    Raises:
        InputError: the model has more or fewer outputs than labels.
    """
    outputs = np.stack(logits).astype(np.float64)
    if target_kind == "number":
        return {"prediction": [significant(value) for value in outputs[:, 0]]}
    if outputs.shape[1] != len(label_names):
        raise InputError(
            f"the model has {outputs.shape[1]} outputs and its config.json {len(label_names)} "
            f"labels ({', '.join(label_names)}): they are of two models"
        )
    if target_kind == "classes":
        probabilities = 1 / (1 + np.exp(-outputs))
        predictions = [
            "|".join(name for name, holds in zip(label_names, row, strict=True) if holds)
            for row in probabilities >= threshold
        ]
    else:
        probabilities = np.exp(log_softmax(outputs))
        predictions = [label_names[i] for i in probabilities.argmax(-1)]
    rounded = probabilities.round(6)
    scores = {f"score_{name}": rounded[:, i].tolist() for i, name in enumerate(label_names)}
    return {"prediction": predictions, "score": rounded.max(-1).tolist()} | scores


def positive_id(name: str | None, label_names: Sequence[str]) -> int | None:
    """Return the id of `evaluate.positive_label`; None where it is no label."""
    return label_names.index(name) if name in label_names else None


def thresholds(
    setting: float | Mapping[str, float] | str | None, label_names: Sequence[str]
) -> float | np.ndarray:
    """Return `evaluate.threshold` as a probability or one per label; 0.5 where it has none."""
    if isinstance(setting, Mapping):
        return np.array([setting[name] for name in label_names])
    return setting if isinstance(setting, float) else 0.5
