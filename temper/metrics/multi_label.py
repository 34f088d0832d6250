"""Logits per label → micro and macro F1, precision, recall, subset accuracy and log-loss."""

from typing import Any

import numpy as np

from temper.metrics.aggregates import area_under_roc, safe_divide

HEADLINE = ("f1_micro", "f1_macro", "precision_micro", "accuracy")
GREATER_IS_BETTER = {
    "accuracy": True,
    "f1_micro": True,
    "f1_macro": True,
    "precision_micro": True,
    "recall_micro": True,
    "roc_auc": True,
    "log_loss": False,
}


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return the logistic function of each logit, (rows, labels)."""
    return 1 / (1 + np.exp(-logits))


def scores(
    logits: np.ndarray, references: np.ndarray, *, threshold: float | np.ndarray = 0.5, **_: Any
) -> dict[str, float]:
    """Return the metrics; `accuracy` is the share of rows with all labels right.

    Args:
        logits: (rows, labels).
        references: multi-hot, (rows, labels).
        threshold: of the probability, one for all labels or one each.
    """
    probabilities = sigmoid(logits)
    multi_hot = references.astype(bool)
    metrics = label_scores(probabilities >= threshold, multi_hot)
    clipped = np.clip(probabilities, 1e-15, 1 - 1e-15)
    metrics["log_loss"] = float(-np.where(multi_hot, np.log(clipped), np.log(1 - clipped)).mean())
    auc = roc_auc(probabilities, multi_hot)
    return metrics if auc is None else metrics | {"roc_auc": auc}


def roc_auc(probabilities: np.ndarray, references: np.ndarray) -> float | None:
    """Return the mean area under the ROC curve over labels with positive and negative rows."""
    varies = references.any(0) & ~references.all(0)
    if not varies.any():
        return None
    areas = map(area_under_roc, probabilities[:, varies].T, references[:, varies].T)
    return float(np.mean(list(areas)))


def label_scores(predictions: Any, references: Any) -> dict[str, float]:
    """Return the metrics that need predicted labels only.

    Args:
        predictions: booleans (rows, labels), sparse or dense.
        references: likewise.
    """
    from scipy.sparse import csr_array

    predicted, actual = csr_array(predictions), csr_array(references)
    counts = (predicted.multiply(actual), predicted, actual)
    averages = from_counts(*(count.sum(0)[None].astype(float) for count in counts))
    accuracy = float(exact_match(predicted, actual).mean())
    return {"accuracy": accuracy, **{name: float(v[0]) for name, v in averages.items()}}


def exact_match(predictions: Any, references: Any) -> np.ndarray:
    """Return whether all labels of a row are right, (rows,), of two sparse (rows, labels)."""
    return np.diff((predictions != references).tocsr().indptr) == 0


def from_counts(
    hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray
) -> dict[str, np.ndarray]:
    """Return micro and macro scores from counts per label, (samples, labels) each."""
    return {
        "f1_micro": safe_divide(2 * hits.sum(1), (predicted + actual).sum(1)),
        "f1_macro": safe_divide(2 * hits, predicted + actual).mean(1),
        "precision_micro": safe_divide(hits.sum(1), predicted.sum(1)),
        "recall_micro": safe_divide(hits.sum(1), actual.sum(1)),
    }


def tune_thresholds(probabilities: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return for each label the probability threshold with the best F1 on these rows.

    Args:
        probabilities: (rows, labels).
        references: multi-hot, (rows, labels).
    """
    grid = np.linspace(0.05, 0.95, 19)
    actual = references.astype(bool)
    predicted = probabilities[None] >= grid[:, None, None]
    hits = (predicted & actual[None]).sum(1)
    f1 = safe_divide(2.0 * hits, (predicted.sum(1) + actual.sum(0)[None]).astype(float))
    tie_breaker = np.abs(grid - 0.5)[:, None] * 1e-9  # of equals, the one nearest one half
    return grid[(f1 - tie_breaker).argmax(0)]
