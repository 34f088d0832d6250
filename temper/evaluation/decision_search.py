"""Logits and labels of validation → a temperature, and the thresholds that reach a target.

Precision, recall and accuracy are those of rows whose probability is above a cut; a cut lies midway
between two neighbouring probabilities, so that rounding of another engine moves no row across.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from temper.tasks.base.arrays import negative_log_likelihood

MARGIN = 1e-5  # of log-odds: probabilities that are nearer count as equal
FOLDS = 5  # of validation, on which a temperature is cross-validated
TEMPERATURES = (0.1, 10.0)


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A threshold and the scores of the rows above it."""

    threshold: float
    scores: dict[str, float]
    reaches_target: bool


def fit_temperature(
    logits: np.ndarray, references: np.ndarray, seed: int
) -> tuple[float | None, str]:
    """Return the temperature with the least log loss, and its numbers (Guo et al. 2017).

    It is None where the cross-validated log loss, of rows that a temperature was not fitted on, is
    not below that of the logits as they are.

    Args:
        logits: (rows, labels).
        references: ids (rows,), or multi-hot (rows, labels).
        seed: of the folds.
    """
    if len(logits) < 2 * FOLDS:
        return None, f"none: {len(logits)} rows of validation are too few to fit one"
    before = float(log_losses(logits, references, 1.0).mean())
    folds = np.random.default_rng(seed).permutation(len(logits)) % FOLDS
    held_out = np.empty(len(logits))
    for fold in range(FOLDS):
        inside = folds == fold
        fitted = _minimum(logits[~inside], references[~inside])
        held_out[inside] = log_losses(logits[inside], references[inside], fitted)
    temperature, after = round(_minimum(logits, references), 4), float(held_out.mean())
    numbers = f"cross-validated log loss of validation {after:.4f}, without it {before:.4f}"
    ends = [log_losses(logits, references, end).mean() for end in TEMPERATURES]
    if min(ends) <= log_losses(logits, references, temperature).mean() + 1e-9:
        low, high = TEMPERATURES
        return None, f"none: no temperature between {low:g} and {high:g} is best"
    if round(after, 6) >= round(before, 6):
        return None, f"none: {temperature:g} does not help; {numbers}"
    return temperature, f"{temperature:g}; {numbers}"


def log_losses(logits: np.ndarray, references: np.ndarray, temperature: float) -> np.ndarray:
    """Return -log p of each row's labels, the mean of several, (rows,)."""
    scaled = logits.astype(np.float64) / temperature
    if references.ndim == 1:
        return negative_log_likelihood(scaled, references)
    return (np.logaddexp(0, scaled) - references * scaled).mean(-1)


def _minimum(logits: np.ndarray, references: np.ndarray) -> float:
    """Return the temperature; the loss is convex in its inverse, so there is one minimum."""
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda power: log_losses(logits, references, np.exp(power)).mean(),
        bounds=np.log(TEMPERATURES),
        method="bounded",
        options={"xatol": 1e-7},
    )
    return float(np.exp(found.x))


def operating_cut(probabilities: np.ndarray, holds: np.ndarray, target: str, value: float) -> Cut:
    """Return the threshold of a label that reaches a target, or comes nearest to it.

    Of those that reach it, it has the highest recall, or for a target of recall the highest
    precision.

    Args:
        probabilities: of the label, (rows,).
        holds: whether a row has the label, (rows,) booleans; some have it and some have not.
        target: precision, recall or false_positive_rate.
        value: of the target.
    """
    order, counts = cuts(probabilities)
    hits = np.cumsum(holds[order])[counts - 1].astype(float)
    scores = {
        "precision": hits / counts,
        "recall": hits / holds.sum(),
        "false_positive_rate": (counts - hits) / (~holds).sum(),
    }
    other = "precision" if target == "recall" else "recall"
    return best_cut(probabilities[order], counts, scores, target, value, other)


def confidence_cut(confidence: np.ndarray, right: np.ndarray, target: str, value: float) -> Cut:
    """Return the confidence of an answer that reaches a target, or comes nearest to it.

    Args:
        confidence: (rows,).
        right: whether the prediction is right, (rows,) booleans.
        target: accuracy, or coverage, the share of rows that are answered.
        value: of the target.
    """
    order, counts = cuts(confidence)
    scores = {
        "accuracy": np.cumsum(right[order])[counts - 1] / counts,
        "coverage": counts / len(right),
    }
    other = "coverage" if target == "accuracy" else "accuracy"
    return best_cut(confidence[order], counts, scores, target, value, other)


def cuts(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of rows from the highest probability down, and how many are above each cut.

    A cut parts rows by `MARGIN` at least; the last one is below all rows.
    """
    order = np.argsort(-probabilities, kind="stable")
    ranked = np.clip(probabilities[order], 1e-15, 1 - 1e-15)
    log_odds = np.log(ranked) - np.log1p(-ranked)
    is_apart = np.append(log_odds[:-1] - log_odds[1:] >= MARGIN, True)
    return order, np.flatnonzero(is_apart) + 1


def best_cut(
    ranked: np.ndarray,
    counts: np.ndarray,
    scores: Mapping[str, np.ndarray],
    target: str,
    value: float,
    other: str,
) -> Cut:
    """Choose the cut that reaches a target with the best other score; else the nearest to it.

    Args:
        ranked: probabilities from the highest down, (rows,).
        counts: of rows above each cut, (cuts,).
        scores: by name, (cuts,); all are better the greater, but for false_positive_rate.
        target: the score that has to reach `value`.
        other: the score that is then as good as possible; of equals, the better target decides.
    """
    sign = -1 if target == "false_positive_rate" else 1
    reached = sign * scores[target] >= sign * value - 1e-12
    reached &= ranked[counts - 1] >= sys.float_info.min  # a threshold is above 0
    if not reached.any():
        keys = (scores[other], sign * scores[target])
    else:
        keys = (sign * scores[target], np.where(reached, scores[other], -1.0))
    best = int(np.lexsort(keys)[-1])
    below = ranked[counts[best]] if counts[best] < len(ranked) else 0.0
    return Cut(
        threshold=between(float(below), float(ranked[counts[best] - 1])),
        scores={name: float(values[best]) for name, values in scores.items()},
        reaches_target=bool(reached[best]),
    )


def between(low: float, high: float) -> float:
    """Return the shortest decimal in the middle half of an interval, the same on every CPU."""
    middle = (low + high) / 2
    for digits in range(2, 17):
        rounded = round(middle, digits)
        if abs(rounded - middle) <= (high - low) / 4:
            return rounded
    return middle


def risk_coverage(confidence: np.ndarray, right: np.ndarray) -> dict[str, np.ndarray]:
    """Return coverage, risk (share of wrong answers) and least confidence of each answered set.

    Rows whose confidence has the same six digits are answered together (Geifman & El-Yaniv 2017).
    """
    rounded = confidence.round(6)
    order = np.argsort(-rounded, kind="stable")
    ranked, wrong = rounded[order], np.cumsum(~right[order])
    last = np.flatnonzero(np.append(ranked[:-1] > ranked[1:], True))
    return {
        "coverage": (last + 1) / len(ranked),
        "risk": wrong[last] / (last + 1),
        "confidence": ranked[last],
    }


def area_under_risk_coverage(confidence: np.ndarray, right: np.ndarray) -> float:
    """Return AURC: the mean risk over the coverages 1/n … 1, those of equals the risk of all."""
    curve = risk_coverage(confidence, right)
    widths = np.diff(curve["coverage"], prepend=0.0)
    return float((curve["risk"] * widths).sum())
