"""Decided rows → the scores of the temperature, the operating point and abstention."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from temper.evaluation import bootstrap, decision_search
from temper.evaluation.evaluator import Scores, SplitResult
from temper.metrics import label_stats
from temper.metrics.classification import calibration_error
from temper.params.schema import EvaluateParams
from temper.tasks.base.decisions import DecisionRule


def of_split(
    result: SplitResult, rule: DecisionRule, p: EvaluateParams, num_labels: int, seed: int
) -> Scores:
    """Return the scores of a labelled split, with intervals of those that are shares of rows."""
    found: Scores = {}
    if result.unscaled is not None:
        found |= unscaled_scores(result.unscaled, right(result), several=rule.several)
    if rule.point is not None:
        columns = [rule.point[0] + part * num_labels for part in range(3)]
        stats = label_stats.dense(result.stats[:, [*columns, -1]])
        found |= with_intervals(stats, point_scores, p.bootstrap_samples, seed)
    if p.abstain is not None:
        found["aurc"] = decision_search.area_under_risk_coverage(result.confidence, right(result))
    if rule.min_confidence is not None:
        answered = ~rule.abstains(result.confidence)
        columns = (answered, answered & right(result), np.ones_like(answered))
        stats = np.stack(columns, axis=1).astype(float)
        found |= with_intervals(stats, answer_scores, p.bootstrap_samples, seed)
    return found


def right(result: SplitResult) -> np.ndarray:
    """Return which rows have all labels right, (rows,) booleans."""
    return label_stats.dense(result.stats[:, [-2]])[:, 0] > 0


def unscaled(
    rule: DecisionRule, logits: np.ndarray, references: np.ndarray | None, predictions: np.ndarray
) -> np.ndarray | None:
    """Return the loss and confidence of rows without the temperature, (rows, 2).

    None where the rule has no temperature, or there are no references.
    """
    if rule.temperature == 1 or references is None:
        return None
    plain = replace(rule, temperature=1.0)
    loss = decision_search.log_losses(logits, references, 1.0)
    confidence = plain.confidence(plain.probabilities(logits), predictions)
    return np.stack([loss, confidence], axis=1)


def point_scores(weights: np.ndarray, stats: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of the operating point's label in samples; NaN where one is undefined.

    Args:
        weights: how often each sample has each row, (samples, rows).
        stats: hits, predicted, actual and 1 of each row, (rows, 4).
    """
    hits, predicted, actual, rows = (weights @ stats).T
    return {
        "operating_precision": _divide(hits, predicted),
        "operating_recall": _divide(hits, actual),
        "operating_false_positive_rate": _divide(predicted - hits, rows - actual),
    }


def answer_scores(weights: np.ndarray, stats: np.ndarray) -> dict[str, np.ndarray]:
    """Return coverage and accuracy of the answered rows in samples; NaN where none is answered.

    Args:
        weights: how often each sample has each row, (samples, rows).
        stats: answered, answered rightly and 1 of each row, (rows, 3).
    """
    answered, right, rows = (weights @ stats).T
    return {"coverage": answered / rows, "selective_accuracy": _divide(right, answered)}


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(
        numerator, denominator, out=np.full(len(numerator), np.nan), where=denominator > 0
    )


def with_intervals(
    stats: np.ndarray,
    scores_of: Callable[[np.ndarray, Any], dict[str, np.ndarray]],
    num_samples: int,
    seed: int,
) -> Scores:
    """Return the scores that are defined, with `_low` and `_high`; thresholds are held fixed."""
    values = {k: float(v[0]) for k, v in scores_of(np.ones((1, len(stats))), stats).items()}
    defined = {name: value for name, value in values.items() if np.isfinite(value)}
    return defined | bootstrap.intervals(stats, scores_of, [*defined], num_samples, seed)


def unscaled_scores(unscaled: np.ndarray, right: np.ndarray, *, several: bool) -> Scores:
    """Return what the scores of probabilities would be without the temperature.

    Args:
        unscaled: loss and confidence without it, (rows, 2).
        right: whether the prediction is right, (rows,) booleans.
        several: a row may have several labels, for which there is no calibration error.
    """
    loss, confidence = unscaled.T
    found = {"log_loss_unscaled": float(loss.mean())}
    if not several:
        found["calibration_error_unscaled"] = calibration_error(confidence, right)
    return found
