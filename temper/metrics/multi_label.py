"""Logits per label → micro and macro F1, precision, recall, subset accuracy and log-loss."""

from typing import Any

import numpy as np

from temper.metrics import aggregates, label_stats
from temper.metrics.label_stats import LabelOutputs

HEADLINE = ("f1_micro", "f1_macro", "precision_micro", "accuracy")
GREATER_IS_BETTER = {
    **dict.fromkeys((*HEADLINE, "recall_micro", "roc_auc"), True),
    "log_loss": False,
}

per_example_stats = label_stats.per_example_stats


def outputs(
    logits: np.ndarray, references: np.ndarray | None, threshold: float | np.ndarray
) -> LabelOutputs:
    """Return the labels whose probability reaches the threshold, of logits (rows, labels).

    Args:
        logits: (rows, labels).
        references: multi-hot, (rows, labels).
        threshold: one for all labels, or one each.
    """
    probabilities, loss = 1 / (1 + np.exp(-logits)), None
    if references is not None:
        likelihoods = np.where(references > 0, probabilities, 1 - probabilities)
        loss = aggregates.log_loss(likelihoods).mean(-1)
    return LabelOutputs(
        predictions=probabilities >= threshold,
        confidence=probabilities.max(-1),
        loss=loss,
        probabilities=probabilities,
    )


def aggregate(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics; `accuracy` is the share of rows all right."""
    counts = label_stats.totals_by_label(totals)
    by_label = (counts.hits, counts.predicted, counts.actual)
    micro = aggregates.precision_recall_f1(*(values.sum(1) for values in by_label))
    return {
        "accuracy": counts.right / counts.rows,
        "f1_micro": micro["f1"],
        "f1_macro": aggregates.precision_recall_f1(*by_label)["f1"].mean(1),
        "precision_micro": micro["precision"],
        "recall_micro": micro["recall"],
    }


def probability_scores(outputs: LabelOutputs, references: Any) -> dict[str, float]:
    """Return the log-loss and the mean area under the ROC curve of labels that vary, else NaN."""
    assert outputs.loss is not None
    actual = label_stats.dense(references[outputs.sampled_rows]).astype(bool)
    varies = actual.any(0) & ~actual.all(0)
    columns = zip(outputs.probabilities[:, varies].T, actual[:, varies].T, strict=True)
    areas = [aggregates.area_under_roc(*column) for column in columns]
    auc = float(np.mean(areas)) if areas else np.nan
    return {"log_loss": float(outputs.loss.mean()), "roc_auc": auc}


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
    f1 = aggregates.safe_divide(2.0 * hits, (predicted.sum(1) + actual.sum(0)[None]).astype(float))
    tie_breaker = np.abs(grid - 0.5)[:, None] * 1e-9  # of equals, the one nearest one half
    return grid[(f1 - tie_breaker).argmax(0)]
