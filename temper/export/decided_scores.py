"""A model's logits and the labels → its scores as it decides: what a quantized model may lose."""

from typing import Any

import numpy as np

from temper import metrics
from temper.metrics import label_stats
from temper.tasks.base import Task, decisions


def compute(task: Task, outputs: list[np.ndarray], features: Any, main: str) -> dict[str, float]:
    """Return the main score, those of the operating point, and those of abstention, where defined.

    Predictions are made as `temper predict` makes them. More is better of each score, so the false
    positive rate has its complement, the specificity.

    Args:
        outputs: logits of labels, one per feature.
        main: a metric that counts of the predictions give.
    """
    name, label_names = task.params.metrics, task.label_names
    rule = decisions.read(task.settings.evaluate, label_names, several=name == "multi_label")

    def scores(logits: np.ndarray, references: np.ndarray, *, positive: int | None) -> Any:
        probabilities = rule.probabilities(logits)
        predictions = rule.predictions(probabilities)
        stats = label_stats.per_example_stats(predictions, references, len(label_names))
        options = {"positive": positive} if name == "classification" else {}
        found = {main: metrics.scores(name, stats, **options)[main]}
        if rule.point is not None:
            totals = label_stats.totals_by_label(stats.sum(0)[None])
            hits, predicted, actual = (part[0, rule.point[0]] for part in totals[:3])
            others = len(references) - actual
            found["operating_precision"] = _divide(hits, predicted)
            found["operating_recall"] = _divide(hits, actual)
            found["operating_specificity"] = _divide(others - (predicted - hits), others)
        if rule.min_confidence is not None:
            answered = ~rule.abstains(rule.confidence(probabilities, predictions))
            right = label_stats.dense(stats[:, [-2]])[:, 0]
            found["coverage"] = float(answered.mean())
            found["selective_accuracy"] = _divide(right[answered].sum(), answered.sum())
        return {name: value for name, value in found.items() if np.isfinite(value)}

    return task.score(outputs, features, scores)


def _divide(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else float("nan")
