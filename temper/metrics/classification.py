"""Class logits → accuracy, precision, recall, F1, MCC, AUC, log-loss and calibration error."""

from typing import Any

import numpy as np

from temper.metrics import aggregates, label_stats
from temper.metrics.aggregates import safe_divide
from temper.metrics.label_stats import LabelOutputs

HEADLINE = ("accuracy", "f1", "precision", "recall", "f1_macro", "mcc")
GREATER_IS_BETTER = {
    **dict.fromkeys((*HEADLINE, "f1_weighted", "roc_auc"), True),
    "log_loss": False,
    "calibration_error": False,
}
BINS = 15

per_example_stats = label_stats.per_example_stats


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, (rows, labels)."""
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def outputs(logits: np.ndarray, references: np.ndarray | None, threshold: Any) -> LabelOutputs:
    """Return the likeliest class of logits (rows, labels); `threshold` is for several labels."""
    probabilities, loss = softmax(logits), None
    if references is not None:
        loss = aggregates.log_loss(probabilities[np.arange(len(references)), references])
    return LabelOutputs(
        predictions=probabilities.argmax(-1),
        confidence=probabilities.max(-1),
        loss=loss,
        probabilities=probabilities,
    )


def aggregate(totals: np.ndarray, positive: int | None = None) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics (samples, columns); MCC as of Gorodkin 2004.

    Args:
        totals: of `label_stats.per_example_stats`.
        positive: binary: the class that precision, recall and F1 are about; otherwise they are the
            mean over the classes that occur.
    """
    hits, predicted, actual, right, rows = label_stats.totals_by_label(totals)
    by_class = aggregates.precision_recall_f1(hits, predicted, actual)
    present = (actual + predicted > 0).astype(float)

    def macro(values: np.ndarray) -> np.ndarray:
        return safe_divide((values * present).sum(1), present.sum(1))

    covariance = right * rows - (actual * predicted).sum(1)
    variances = (rows**2 - (predicted**2).sum(1)) * (rows**2 - (actual**2).sum(1))
    return {
        "accuracy": right / rows,
        **{k: macro(v) if positive is None else v[:, positive] for k, v in by_class.items()},
        "f1_macro": macro(by_class["f1"]),
        "f1_weighted": (by_class["f1"] * actual).sum(1) / rows,
        "mcc": safe_divide(covariance, np.sqrt(variances)),
    }


def probability_scores(
    outputs: LabelOutputs, references: np.ndarray, positive: int | None = None
) -> dict[str, float]:
    """Return the log-loss, the calibration error and the area under the ROC curve."""
    assert outputs.loss is not None
    is_right = outputs.predictions == references
    return {
        "log_loss": float(outputs.loss.mean()),
        "calibration_error": calibration_error(outputs.confidence, is_right),
        "roc_auc": roc_auc(outputs.probabilities, references[outputs.sampled_rows], positive),
    }


def calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Return the expected calibration error over equal-width bins (Naeini et al. 2015)."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, correct - confidence, BINS)
    return float(np.abs(gaps).sum() / len(bins))


def roc_auc(probabilities: np.ndarray, references: np.ndarray, positive: int | None) -> float:
    """Return the area under the ROC curve, one-vs-rest macro for more than two classes.

    NaN where a class is missing: it is not defined then.
    """
    num_labels = probabilities.shape[-1]
    if num_labels < 2 or len(np.unique(references)) < num_labels:
        return np.nan
    ids = range(num_labels) if num_labels > 2 else [1 if positive is None else positive]
    areas = [aggregates.area_under_roc(probabilities[:, i], references == i) for i in ids]
    return float(np.mean(areas))
