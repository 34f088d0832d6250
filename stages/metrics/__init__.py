"""Logits and references → scores. Computed by scikit-learn and SciPy, without `evaluate`'s import.

The same numbers as `evaluate.Metric` modules: `evaluate.load("stages/metrics/classification.py")`,
`…/multi_label.py`, `…/regression.py`; loaded by path they need no network (FACTS 23).
"""

from importlib import import_module
from types import ModuleType

import numpy as np

from stages.errors import InputError, nearest

MODULES = {
    "single_label_classification": "classification",
    "multi_label_classification": "multi_label",
    "regression": "regression",
}


def module(problem_type: str) -> ModuleType:
    """Return the module whose `scores` computes and `GREATER_IS_BETTER` lists the metrics."""
    return import_module(f"stages.metrics.{MODULES[problem_type]}")


def compute(
    problem_type: str,
    logits: np.ndarray,
    references: np.ndarray,
    *,
    positive: int | None = None,
    threshold: float | np.ndarray = 0.5,
) -> dict[str, float]:
    """Return every metric of a problem type that is defined on these rows.

    Args:
        problem_type: in transformers' words.
        logits: (rows, outputs).
        references: ids (rows,), multi-hot (rows, labels) or numbers (rows,).
        positive: binary: the class that precision, recall and F1 are about.
        threshold: multi-label: a probability, or one per label.
    """
    return module(problem_type).scores(
        logits.astype(np.float64), references, positive=positive, threshold=threshold
    )


def greater_is_better(name: str, problem_type: str) -> bool:
    """Tell the direction of a metric, `loss` among them.

    Raises:
        InputError: the problem type has no such metric.
    """
    directions = {"loss": False, **module(problem_type).GREATER_IS_BETTER}
    if name not in directions:
        raise InputError(
            f"train.best_metric: {problem_type} has no metric {name!r}"
            f"{nearest(name, list(directions))}; allowed: {', '.join(directions)}"
        )
    return directions[name]
