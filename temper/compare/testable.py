"""Decide which scores can be tested row by row, and say why the others cannot."""

from collections.abc import Sequence

import numpy as np

from temper import metrics
from temper.compare import significance
from temper.compare.experiments import Experiment
from temper.compare.shared_rows import EvaluatedModel
from temper.core.errors import InputError, alternatives

TOLERANCE = {"language": 2e-3}  # relative: the files hold perplexities with four digits
DEFAULT_TOLERANCE = 1e-4  # rounding between metrics.json and the predictions


def common_metrics_module(experiments: Sequence[Experiment]) -> str:
    """Return the module of temper/metrics that scores all models.

    Raises:
        InputError: their tasks differ.
    """
    first = experiments[0].parameters.task
    for experiment in experiments[1:]:
        task = experiment.parameters.task
        if task.metrics != first.metrics:
            raise InputError(
                f"{experiments[0].name} and {experiment.name} have different tasks, whose scores "
                f"are not comparable: {first.name} ({first.metrics}), {task.name} ({task.metrics})"
            )
    return first.metrics


def check_scores(models: Sequence[EvaluatedModel], module: str) -> tuple[list[str], list[str]]:
    """Return the main scores that follow from the rows, and notes on those that do not."""
    scored = [model.scored for model in models]
    computed_scores, testable, notes = significance.observed(scored), [], []
    tokens = [rows.per_example_stats[:, -1] for rows in scored] if module == "language" else []
    for name in metrics.load(module).HEADLINE:
        if not all(name in model.scores for model in models):
            continue
        expected = np.array([model.scores[name] for model in models])
        computed = computed_scores.get(name, np.full(len(expected), np.nan))
        tolerance = TOLERANCE.get(module, DEFAULT_TOLERANCE) * np.maximum(1, np.abs(expected))
        excess = np.abs(computed - expected) - tolerance
        if not np.isfinite(computed).all():
            reason = "it cannot be computed row by row from the predictions"
        elif any(not np.array_equal(tokens[0], others) for others in tokens[1:]):
            reason = "the models split the texts into different tokens, so it is not comparable"
        elif (excess > 0).any():
            i = int(np.argmax(excess))
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
            f"--metric {metric}: cannot be tested row by row{alternatives(metric, testable)}"
        )
    return metric or (testable or scored)[0]
