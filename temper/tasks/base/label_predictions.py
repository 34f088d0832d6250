"""Logits of labels or of a number → the columns that `temper predict` adds."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from temper.core.errors import InputError
from temper.params.task import TaskParams
from temper.tasks.base.arrays import significant
from temper.tasks.base.decisions import DecisionRule

TargetType = Literal["class", "classes", "number"]
ABSTAINED = "abstained"  # the column of `evaluate.abstain`
SEPARATOR = "|"  # between several labels, where the task names no other


def prediction_columns(
    logits: Sequence[np.ndarray],
    label_names: Sequence[str],
    target_type: TargetType,
    rule: DecisionRule,
    separator: str = SEPARATOR,
) -> dict[str, list]:
    """Return `prediction`, `score` and one `score_<label>` per label; for numbers the first only.

    `score` is the probability of the prediction, or the highest of several labels. A rule that
    abstains adds `abstained`, and the prediction of such a row is empty.

    Args:
        logits: (outputs,), one per example.
        label_names: in the order of their ids; none for numbers.
        target_type: what the outputs mean.
        rule: how labels are decided for.
        separator: between several labels of a prediction.

    Raises:
        InputError: the model has more or fewer outputs than labels.
    """
    outputs = np.stack(logits).astype(np.float64)
    if target_type == "number":
        return {"prediction": [significant(value) for value in outputs[:, 0]]}
    if outputs.shape[1] != len(label_names):
        raise InputError(
            f"the model has {outputs.shape[1]} outputs and its config.json {len(label_names)} "
            f"labels ({', '.join(label_names)}): they are of two models"
        )
    probabilities = rule.probabilities(outputs)
    decided = rule.predictions(probabilities)
    confidence, rounded = rule.confidence(probabilities, decided), probabilities.round(6)
    predictions = _predictions(decided, label_names, separator if rule.several else None)
    score = rounded.max(-1) if rule.several else confidence.round(6)
    columns = {"prediction": predictions, "score": score.tolist()}
    columns |= {f"score_{name}": rounded[:, i].tolist() for i, name in enumerate(label_names)}
    if rule.min_confidence is None:
        return columns
    abstained = rule.abstains(confidence).tolist()
    answers = ["" if left else text for text, left in zip(predictions, abstained, strict=True)]
    return columns | {"prediction": answers, ABSTAINED: abstained}


def label_separator(task: TaskParams) -> str:
    """Return what stands between several labels of a cell, in the data and in predictions."""
    return getattr(task, "label_separator", None) or SEPARATOR


def _predictions(
    decided: np.ndarray, label_names: Sequence[str], separator: str | None
) -> list[str]:
    """Return the label of each row; with a separator all of them."""
    if separator is None:
        return [label_names[int(i)] for i in decided]
    return [
        separator.join(name for name, holds in zip(label_names, row, strict=True) if holds)
        for row in decided
    ]


def positive_id(name: str | None, label_names: Sequence[str]) -> int | None:
    """Return the id of `evaluate.positive_label`; None where it is no label."""
    return label_names.index(name) if name in label_names else None
