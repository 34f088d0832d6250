"""Predictions and references → scores. Each module scores one kind of prediction.

Classes and numbers (`classification`, `multi_label`, `regression`) are scored from logits by
scikit-learn and SciPy; the same numbers as `evaluate.load("temper/hf_metric.py",
"classification")`, by path, without network (FACTS 23).

Everything else is scored by sums over examples: a module has `statistics(predictions, references)`,
one row of numbers per example, and `from_sums(sums)`, the scores of any number of summed samples at
once, so that a bootstrap interval costs one matrix product.

Every module has `GREATER_IS_BETTER`, and `HEADLINE`: the metrics that carry intervals, the main one
first. Where training computes others on validation (texts are written by evaluate only), these are
in `TRAINING`.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np

from temper.core.errors import InputError, nearest

MODULES = (
    "classification",
    "multi_label",
    "regression",
    "entities",
    "answers",
    "choices",
    "language",
    "completions",
    "summarization",
    "translation",
)
UNBOUNDED = ("mse", "rmse", "mae", "log_loss", "loss", "perplexity", "bleu", "chrf")


def load(name: str) -> ModuleType:
    """Return a module of this package."""
    return import_module(f"temper.metrics.{name}")


def scores_logits(name: str) -> bool:
    """Tell whether a module scores logits of labels, or predictions of any other form."""
    return name in MODULES[:3]


def compute_from_logits(
    name: str,
    logits: np.ndarray,
    references: np.ndarray,
    *,
    positive: int | None = None,
    threshold: float | np.ndarray = 0.5,
) -> dict[str, float]:
    """Return every metric of a module of labels that is defined on these rows.

    Args:
        name: of the module.
        logits: (rows, outputs).
        references: ids (rows,), multi-hot (rows, labels) or numbers (rows,).
        positive: binary: the class that precision, recall and F1 are about.
        threshold: multi-label: a probability, or one per label.
    """
    return load(name).scores(
        logits.astype(np.float64), references, positive=positive, threshold=threshold
    )


def compute_with_loss(
    name: str, logits: np.ndarray, references: np.ndarray, **options: Any
) -> dict:
    """Return `loss`, the mean training loss without smoothing and weights, and every metric."""
    found = compute_from_logits(name, logits, references, **options)
    return {"loss": found["mse" if name == "regression" else "log_loss"], **found}


def compute_from_predictions(name: str, predictions: list, references: list) -> dict[str, float]:
    """Return the scores of a module that works by sums over examples."""
    found = load(name)
    sums = found.per_example_stats(predictions, references).sum(0, keepdims=True)
    return {metric: float(values[0]) for metric, values in found.aggregate(sums).items()}


def predictions_from_logits(name: str, logits: Any) -> Any:
    """Return what a model of labels answers: numbers, ids, or whether each label holds."""
    found = np.asarray(logits)
    if name == "regression":
        return found[:, 0]
    return found.argmax(-1) if name == "classification" else found > 0


def to_label_names(name: str, values: Any, names: list[str]) -> list:
    """Return predictions or references of labels as people read them: numbers, or names.

    Args:
        name: of the module.
        values: numbers, ids, or (rows, labels) that are zero where a label does not hold.
        names: of the labels.
    """
    if name == "regression":
        return [float(value) for value in values]
    if name == "classification":
        return [names[int(value)] for value in values]
    return [[names[i] for i in np.flatnonzero(row)] for row in values]


def directions(name: str, own: Mapping[str, Any] = MappingProxyType({})) -> dict[str, bool]:
    """Return whether more is better of each metric that training computes, `loss` among them.

    Args:
        name: of the module.
        own: the user's functions; `greater_is_better = False` on one turns it round.
    """
    known = load(name)
    found = {"loss": False, **getattr(known, "TRAINING", known.GREATER_IS_BETTER)}
    return found | custom_directions(own)


def custom_directions(own: Mapping[str, Any]) -> dict[str, bool]:
    """Return whether more is better of each function of the user's."""
    return {name: getattr(f, "greater_is_better", True) for name, f in own.items()}


def greater_is_better(
    metric: str, name: str, own: Mapping[str, Any] = MappingProxyType({})
) -> bool:
    """Tell the direction of `train.metric_for_best_model`; the arguments are those of `directions`.

    Raises:
        InputError: the module has no such metric.
    """
    known = directions(name, own)
    if metric not in known:
        raise InputError(
            f"train.metric_for_best_model: {name} has no metric {metric!r}"
            f"{nearest(metric, list(known))}; allowed: {', '.join(known)}"
        )
    return known[metric]
