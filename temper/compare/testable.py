"""Decide which scores can be tested row by row, and say why the others cannot."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from temper import metrics
from temper.compare import row_scores, shared_rows, significance
from temper.compare.compared_models import ComparedModel
from temper.compare.row_scores import RowScores
from temper.core.errors import InputError, nearest

TOLERANCE = {"language": 2e-3}  # relative: the files hold perplexities with four digits
DEFAULT_TOLERANCE = 1e-4  # rounding between metrics.json and the predictions


def common_metrics_module(models: Sequence[ComparedModel]) -> str:
    """Return the module of temper/metrics that scores all models.

    Raises:
        InputError: their tasks differ.
    """
    first = models[0].experiment.parameters.task
    for model in models[1:]:
        task = model.experiment.parameters.task
        if task.metrics != first.metrics:
            raise InputError(
                f"{models[0].name} and {model.name} have different tasks, whose scores "
                f"are not comparable: {first.name} ({first.metrics}), {task.name} ({task.metrics})"
            )
    return first.metrics


def score_rows(
    models: Sequence[ComparedModel], data: shared_rows.SharedRows, module: str
) -> list[RowScores]:
    """Score the rows of each model, with the same order of the labels.

    Raises:
        InputError: a predictions file has another format than this version writes.
    """
    names: dict[str, None] = {}
    for rows in data.rows:
        names |= dict.fromkeys(k.removeprefix("score_") for k in rows[0] if k.startswith("score_"))
    positive = models[0].experiment.parameters.evaluate.positive_label
    scored = []
    for model, rows in zip(models, data.rows, strict=True):
        try:
            scored.append(row_scores.from_rows(module, rows, list(names), positive))
        except (ValueError, KeyError) as error:
            raise InputError(
                f"{model.name}: data/evaluation/predictions/{data.split}.csv has another format "
                f"than this version writes for {module}: {error!r}; run evaluate again"
            ) from None
    return scored


def check_scores(
    models: Sequence[ComparedModel],
    scored: Sequence[RowScores],
    reported: Sequence[dict[str, Any]],
    module: str,
) -> tuple[list[str], list[str]]:
    """Return the main scores that follow from the rows, and notes on those that do not.

    Args:
        models: to compare.
        scored: their rows.
        reported: their scores in metrics.json.
        module: of temper/metrics.
    """
    computed_scores, testable, notes = significance.observed(scored), [], []
    tokens = [rows.per_example_stats[:, -1] for rows in scored] if module == "language" else []
    for name in metrics.load(module).HEADLINE:
        if not all(name in values for values in reported):
            continue
        expected = np.array([values[name] for values in reported])
        computed = computed_scores.get(name, np.full(len(expected), np.nan))
        tolerance = TOLERANCE.get(module, DEFAULT_TOLERANCE) * np.maximum(1, np.abs(expected))
        if not np.isfinite(computed).all():
            reason = "it cannot be computed row by row from the predictions"
        elif any(not np.array_equal(tokens[0], others) for others in tokens[1:]):
            reason = "the models split the texts into different tokens, so it is not comparable"
        elif (np.abs(computed - expected) > tolerance).any():
            i = int(np.argmax(np.abs(computed - expected) - tolerance))
            reason = (
                f"the predictions of {models[i].name} give {computed[i]:.4f}, its metrics.json has "
                f"{expected[i]:.4f} (another evaluate.positive_label?)"
            )
        else:
            testable.append(name)
            continue
        notes.append(f"{name}: no paired test, since {reason}")
    return testable, notes


def select_metric(metric: str | None, testable: Sequence[str], scored: Sequence[str]) -> str:
    """Return the metric that decides the verdict; where none can be tested, the first scored one.

    Raises:
        InputError: the given one cannot be tested.
    """
    if metric is not None and metric not in testable:
        raise InputError(
            f"--metric {metric}: cannot be tested row by row{nearest(metric, testable)}; "
            f"allowed: {', '.join(testable) or 'none'}"
        )
    return metric or (testable or scored)[0]
