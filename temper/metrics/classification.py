"""Class logits → accuracy, precision, recall, F1, MCC, AUC, log-loss and calibration error."""

from typing import Any

import numpy as np

from temper.metrics.aggregates import area_under_roc, safe_divide

HEADLINE = ("accuracy", "f1", "precision", "recall", "f1_macro", "mcc")
GREATER_IS_BETTER = {
    "accuracy": True,
    "precision": True,
    "recall": True,
    "f1": True,
    "f1_macro": True,
    "f1_weighted": True,
    "mcc": True,
    "roc_auc": True,
    "log_loss": False,
    "calibration_error": False,
}
BINS = 15


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, (rows, labels)."""
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def scores(
    logits: np.ndarray, references: np.ndarray, *, positive: int | None = None, **_: Any
) -> dict[str, float]:
    """Return the metrics; with two classes precision, recall and F1 are the positive class's.

    Args:
        logits: (rows, labels).
        references: ids, (rows,).
        positive: id of the positive class where there are two.
    """
    probabilities = softmax(logits)
    predictions, confidence = probabilities.argmax(-1), probabilities.max(-1)
    metrics = label_scores(predictions, references, logits.shape[-1], positive)
    likelihood = probabilities[np.arange(len(probabilities)), references]
    metrics["log_loss"] = float(-np.log(np.clip(likelihood, 1e-15, 1)).mean())
    metrics["calibration_error"] = calibration_error(confidence, predictions == references)
    auc = roc_auc(probabilities, references, positive)
    return metrics if auc is None else metrics | {"roc_auc": auc}


def label_scores(
    predictions: np.ndarray, references: np.ndarray, num_labels: int, positive: int | None
) -> dict[str, float]:
    """Return the metrics that need predicted ids only."""
    counts = np.zeros((num_labels, num_labels))
    np.add.at(counts, (references, predictions), 1)
    return {k: float(v[0]) for k, v in from_confusion(counts[None], positive).items()}


def from_confusion(counts: np.ndarray, positive: int | None) -> dict[str, np.ndarray]:
    """Return the metrics of many confusion matrices.

    Args:
        counts: (samples, actual, predicted).
        positive: binary: the class that precision, recall and F1 are about.

    Returns:
        Arrays of shape (samples,). MCC is the multi-class one (Gorodkin 2004).
    """
    hits = np.einsum("sii->si", counts)
    actual, predicted = counts.sum(2), counts.sum(1)
    total = actual.sum(1)
    precision, recall = safe_divide(hits, predicted), safe_divide(hits, actual)
    f1 = safe_divide(2 * hits, actual + predicted)
    present = (actual + predicted > 0).astype(float)

    def macro(values: np.ndarray) -> np.ndarray:
        return safe_divide((values * present).sum(1), present.sum(1))

    def binary_or_macro(values: np.ndarray) -> np.ndarray:
        return macro(values) if positive is None else values[:, positive]

    covariance = hits.sum(1) * total - (actual * predicted).sum(1)
    variances = (total**2 - (predicted**2).sum(1)) * (total**2 - (actual**2).sum(1))
    return {
        "accuracy": hits.sum(1) / total,
        "precision": binary_or_macro(precision),
        "recall": binary_or_macro(recall),
        "f1": binary_or_macro(f1),
        "f1_macro": macro(f1),
        "f1_weighted": (f1 * actual).sum(1) / total,
        "mcc": safe_divide(covariance, np.sqrt(variances)),
    }


def calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Return the expected calibration error over equal-width bins (Naeini et al. 2015)."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    gaps = np.bincount(bins, correct - confidence, BINS)
    return float(np.abs(gaps).sum() / counts.sum())


def roc_auc(
    probabilities: np.ndarray, references: np.ndarray, positive: int | None
) -> float | None:
    """Return the area under the ROC curve, one-vs-rest macro for more than two classes.

    None where a class is missing: it is not defined then.
    """
    present = np.unique(references)
    if len(present) < probabilities.shape[-1] or len(present) < 2:
        return None
    if probabilities.shape[-1] == 2:
        positive = 1 if positive is None else positive
        return area_under_roc(probabilities[:, positive], references == positive)
    areas = [area_under_roc(column, references == i) for i, column in enumerate(probabilities.T)]
    return float(np.mean(areas))
