"""Class logits → accuracy, precision, recall, F1, MCC, AUC, log-loss and calibration error."""

from typing import Any

import numpy as np

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
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


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
    found = label_scores(probabilities.argmax(-1), references, logits.shape[-1], positive)
    found["log_loss"] = float(
        -np.log(np.clip(probabilities[np.arange(len(probabilities)), references], 1e-15, 1)).mean()
    )
    found["calibration_error"] = calibration_error(
        probabilities.max(-1), probabilities.argmax(-1) == references
    )
    area = roc_auc(probabilities, references, positive)
    return found if area is None else found | {"roc_auc": area}


def label_scores(
    predictions: np.ndarray, references: np.ndarray, num_labels: int, positive: int | None
) -> dict[str, float]:
    """Return the metrics that need predicted ids only."""
    counts = np.zeros((num_labels, num_labels))
    np.add.at(counts, (references, predictions), 1)
    return {k: float(v[0]) for k, v in from_confusion(counts[None], positive).items()}


def from_confusion(counts: np.ndarray, positive: int | None) -> dict[str, np.ndarray]:
    """Return the metrics of many confusion matrices at once.

    Args:
        counts: (samples, actual, predicted).
        positive: binary: the class that precision, recall and F1 are about.

    Returns:
        Arrays of shape (samples,). MCC is the multi-class one (Gorodkin 2004).
    """
    hit = np.einsum("sii->si", counts)
    actual, predicted = counts.sum(2), counts.sum(1)
    total = actual.sum(1)
    precision, recall = divide(hit, predicted), divide(hit, actual)
    f1 = divide(2 * hit, actual + predicted)
    present = (actual + predicted > 0).astype(float)

    def macro(values: np.ndarray) -> np.ndarray:
        return divide((values * present).sum(1), present.sum(1))

    covariance = hit.sum(1) * total - (actual * predicted).sum(1)
    spread = (total**2 - (predicted**2).sum(1)) * (total**2 - (actual**2).sum(1))
    chosen = (lambda values: values[:, positive]) if positive is not None else macro
    return {
        "accuracy": hit.sum(1) / total,
        "precision": chosen(precision),
        "recall": chosen(recall),
        "f1": chosen(f1),
        "f1_macro": macro(f1),
        "f1_weighted": (f1 * actual).sum(1) / total,
        "mcc": divide(covariance, np.sqrt(spread)),
    }


def divide(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Return top / bottom, and 0 where bottom is 0, as scikit-learn's `zero_division=0`."""
    return np.divide(top, bottom, out=np.zeros_like(top, dtype=float), where=bottom > 0)


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

    None where a class is missing, for then it is not defined.
    """
    from sklearn.metrics import roc_auc_score

    present = np.unique(references)
    if len(present) < probabilities.shape[-1] or len(present) < 2:
        return None
    if probabilities.shape[-1] == 2:
        chosen = 1 if positive is None else positive
        return float(roc_auc_score(references == chosen, probabilities[:, chosen]))
    return float(roc_auc_score(references, probabilities, multi_class="ovr"))
