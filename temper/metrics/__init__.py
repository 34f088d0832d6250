"""Predictions and references → scores. Each module scores one form of prediction.

A module has `per_example_stats(predictions, references)`, a row of numbers per example, and
`aggregate(totals)`, the scores of any number of summed samples, so that a bootstrap interval costs
one matrix product (docs/adr/0007). `regression` and `similarity` have `weighted_scores(weights,
stats)` in its place.

Labels and numbers (`classification`, `multi_label`, `regression`) are predicted from logits by
`outputs`, and have `probability_scores`, those that are no functions of sums.
`evaluate.load("temper/hf_metric.py", "classification")` gives their scores outside of the pipeline.

Every module has `GREATER_IS_BETTER`, and `HEADLINE`: the metrics that carry intervals, the main one
first. Where training computes others on validation (only evaluate generates texts), they are in
`TRAINING_METRICS`.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np

from temper.core.errors import InputError, alternatives

LOGIT_MODULES = ("classification", "multi_label", "regression")
MODULES = (
    *LOGIT_MODULES,
    *("entities", "answers", "choices", "language", "completions", "summarization", "translation"),
    *("retrieval", "similarity"),
)
MAY_BE_UNDEFINED = ("roc_auc", "pearson", "spearman")  # where rows do not vary
UNBOUNDED = ("mse", "rmse", "mae", "log_loss", "loss", "perplexity", "bleu", "chrf")
NO_SPREAD = (
    "An interval of zero width is not certainty: each resample of these rows has the same score. "
    "Where all n rows are right, up to 3/n of other rows may be wrong, and the other way round "
    "(rule of three)."
)

CustomMetrics = Mapping[str, Callable[[list, list], float]]


def load(name: str) -> ModuleType:
    """Return a module of this package."""
    return import_module(f"temper.metrics.{name}")


def has_no_spread(values: Mapping[str, float], names: Iterable[str]) -> bool:
    """Check whether an interval of these scores has zero width, as where all rows are right."""
    bounds = [(values.get(f"{name}_low"), values.get(f"{name}_high")) for name in names]
    return any(low is not None and low == high for low, high in bounds)


def scores_logits(name: str) -> bool:
    """Say whether a module scores logits of labels or numbers, not decoded predictions."""
    return name in LOGIT_MODULES


def weighted_scores(
    name: str, weights: np.ndarray, stats: Any, **options: Any
) -> dict[str, np.ndarray]:
    """Return the scores of samples of examples, (samples,) each.

    Args:
        weights: how often each sample has each example, (samples, examples).
        stats: of the module's `per_example_stats`, (examples, columns), sparse or dense.
        options: of classification, `positive`: the id that precision, recall and F1 are about.
    """
    module = load(name)
    if hasattr(module, "weighted_scores"):
        return module.weighted_scores(weights, stats)
    return module.aggregate(weights @ stats, **options)


def scores(name: str, stats: Any, **options: Any) -> dict[str, float]:
    """Return the scores of all examples together; arguments as of `weighted_scores`."""
    module = load(name)
    if hasattr(module, "weighted_scores"):
        values = module.weighted_scores(np.ones((1, len(stats))), stats)
    else:
        values = module.aggregate(stats.sum(0)[None], **options)
    return {metric: float(samples[0]) for metric, samples in values.items()}


def compute_from_logits(
    name: str,
    logits: np.ndarray,
    references: np.ndarray,
    *,
    positive: int | None = None,
    threshold: float | np.ndarray = 0.5,
) -> dict[str, float]:
    """Return every metric of one of `LOGIT_MODULES` that is defined on these rows.

    Args:
        logits: (rows, outputs).
        references: ids (rows,), multi-hot (rows, labels) or numbers (rows,).
        positive: binary: the class that precision, recall and F1 are about.
        threshold: multi-label: a probability, or one per label.
    """
    module, num_labels = load(name), logits.shape[-1]
    options = {"positive": positive} if name == "classification" else {}
    outputs = module.outputs(logits.astype(np.float64), references, threshold)
    stats = module.per_example_stats(outputs.predictions, references, num_labels)
    values = scores(name, stats, **options)
    values |= module.probability_scores(outputs, references, **options)
    return {k: v for k, v in values.items() if k not in MAY_BE_UNDEFINED or not np.isnan(v)}


def compute_with_loss(
    name: str, logits: np.ndarray, references: np.ndarray, **options: Any
) -> dict[str, float]:
    """Return `loss`, the mean loss without label smoothing and class weights, and every metric."""
    scores = compute_from_logits(name, logits, references, **options)
    return {"loss": scores["mse" if name == "regression" else "log_loss"], **scores}


def compute_from_predictions(name: str, predictions: list, references: list) -> dict[str, float]:
    """Return every metric of a module that scores decoded predictions."""
    return scores(name, load(name).per_example_stats(predictions, references))


def predictions_from_logits(name: str, logits: Any) -> np.ndarray:
    """Return numbers (rows,), ids (rows,), or booleans (rows, labels) for several labels."""
    return load(name).outputs(np.asarray(logits), None, 0.5).predictions


def to_label_names(name: str, values: Any, label_names: list[str]) -> list:
    """Return predictions or references of labels by name, as custom metrics get them.

    Args:
        values: numbers, ids, or (rows, labels) that are zero where a label does not hold.
    """
    if name == "regression":
        return [float(value) for value in values]
    if name == "classification":
        return [label_names[int(value)] for value in values]
    return [[label_names[i] for i in np.flatnonzero(row)] for row in values]


def training_metrics(name: str) -> dict[str, bool]:
    """Return the metrics that training computes on validation, and whether greater is better."""
    module = load(name)
    return getattr(module, "TRAINING_METRICS", module.GREATER_IS_BETTER)


def custom_directions(custom: CustomMetrics) -> dict[str, bool]:
    """Return whether greater is better of each custom metric.

    It is unless the function has an attribute `greater_is_better = False`.
    """
    return {name: getattr(f, "greater_is_better", True) for name, f in custom.items()}


def directions(name: str, custom: CustomMetrics = MappingProxyType({})) -> dict[str, bool]:
    """Return whether greater is better of each metric that training computes, and of `loss`."""
    return {"loss": False} | training_metrics(name) | custom_directions(custom)


def greater_is_better(metric: str, name: str, custom: CustomMetrics = MappingProxyType({})) -> bool:
    """Return the direction of `train.metric_for_best_model`; see `directions`.

    Raises:
        InputError: the module has no such metric.
    """
    known = directions(name, custom)
    if metric not in known:
        there_are = alternatives(metric, known)
        raise InputError(f"train.metric_for_best_model: {name} has no metric {metric!r}{there_are}")
    return known[metric]
