"""Logits per label → micro and macro F1, precision, recall, subset accuracy and log-loss."""

from typing import Any

import numpy as np

from temper.metrics.classification import divide

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
    """Return the metrics; `accuracy` counts rows whose labels are all right.

    Args:
        logits: (rows, labels).
        references: multi-hot, (rows, labels).
        threshold: of the probability, one for all labels or one each.
    """
    probabilities = sigmoid(logits)
    hot = references.astype(bool)
    found = label_scores(probabilities >= threshold, hot)
    clipped = np.clip(probabilities, 1e-15, 1 - 1e-15)
    found["log_loss"] = float(-np.where(hot, np.log(clipped), np.log(1 - clipped)).mean())
    area = roc_auc(probabilities, hot)
    return found if area is None else found | {"roc_auc": area}


def roc_auc(probabilities: np.ndarray, references: np.ndarray) -> float | None:
    """Return the mean area under the ROC curve over the labels that have both kinds of rows."""
    from sklearn.metrics import roc_auc_score

    varied = references.any(0) & ~references.all(0)
    if not varied.any():
        return None
    return float(roc_auc_score(references[:, varied], probabilities[:, varied], average="macro"))


def label_scores(predictions: Any, references: Any) -> dict[str, float]:
    """Return the metrics that need predicted labels only.

    Args:
        predictions: booleans (rows, labels), sparse or not.
        references: likewise.
    """
    from scipy.sparse import csr_array

    found, wanted = csr_array(predictions), csr_array(references)
    counts = (found.multiply(wanted), found, wanted)
    scores = from_counts(*(part.sum(0)[None].astype(float) for part in counts))
    hits = float(exact(found, wanted).mean())
    return {"accuracy": hits, **{k: float(v[0]) for k, v in scores.items()}}


def exact(predictions: Any, references: Any) -> np.ndarray:
    """Return which rows have all labels right, of two sparse (rows, labels)."""
    return np.diff((predictions != references).tocsr().indptr) == 0


def from_counts(
    hit: np.ndarray, predicted: np.ndarray, actual: np.ndarray
) -> dict[str, np.ndarray]:
    """Return micro and macro scores from counts per label, (samples, labels) each."""
    return {
        "f1_micro": divide(2 * hit.sum(1), (predicted + actual).sum(1)),
        "f1_macro": divide(2 * hit, predicted + actual).mean(1),
        "precision_micro": divide(hit.sum(1), predicted.sum(1)),
        "recall_micro": divide(hit.sum(1), actual.sum(1)),
    }


def tune_thresholds(probabilities: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return for each label the probability above which F1 on these rows is best.

    Args:
        chances: (rows, labels).
        references: multi-hot, (rows, labels).
    """
    grid = np.linspace(0.05, 0.95, 19)
    hot = references.astype(bool)
    chosen = probabilities[None] >= grid[:, None, None]
    hit = (chosen & hot[None]).sum(1)
    f1 = divide(2.0 * hit, (chosen.sum(1) + hot.sum(0)[None]).astype(float))
    nearest_half = np.abs(grid - 0.5)[:, None] * 1e-9  # of equals, the one nearest one half
    return grid[(f1 - nearest_half).argmax(0)]
