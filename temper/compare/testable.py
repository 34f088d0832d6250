"""Entries and their rows → which scores can be tested row by row, and why others cannot."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from temper import metrics as scoring
from temper.compare import shared_rows as same_rows
from temper.compare import significance
from temper.compare.compared_models import ComparedModel
from temper.compare.row_scores import RowScores, judge
from temper.core.errors import InputError, nearest

NEAR = {"language": 2e-3}  # perplexities stand in the files with four digits, a share of them
NEAR_OTHERS = 1e-4  # what rounding leaves between metrics.json and the predictions


def same_kind(compared_models: Sequence[ComparedModel]) -> str:
    """Return the module that scores them all.

    Raises:
        InputError: they are of different tasks.
    """
    first = compared_models[0].one.parameters.task
    for model in compared_models[1:]:
        task = model.one.parameters.task
        if task.metrics != first.metrics:
            raise InputError(
                f"{compared_models[0].name} and {model.name} have different tasks, so that no "
                f"score of one "
                f"is the other's: {first.name} ({first.metrics}), {task.name} ({task.metrics})"
            )
    return first.metrics


def score_rows(
    compared_models: Sequence[ComparedModel], data: same_rows.Rows, kind: str
) -> list[RowScores]:
    """Return what each model's rows say, with one order of the labels.

    Raises:
        InputError: a predictions file is not what this version writes.
    """
    names: dict[str, None] = {}
    for rows in data.rows:
        names |= dict.fromkeys(k.removeprefix("score_") for k in rows[0] if k.startswith("score_"))
    positive = compared_models[0].one.parameters.evaluate.positive_label
    found = []
    for model, rows in zip(compared_models, data.rows, strict=True):
        try:
            found.append(judge(kind, rows, list(names), positive))
        except (ValueError, KeyError) as error:
            raise InputError(
                f"{model.name}: data/evaluation/predictions/{data.split}.csv is not what this "
                f"version writes for {kind}: {error!r}; run evaluate again"
            ) from None
    return found


def check_scores(
    compared_models: Sequence[ComparedModel],
    models: Sequence[RowScores],
    scores: Sequence[dict[str, Any]],
    kind: str,
) -> tuple[list[str], list[str]]:
    """Return the main scores that the rows give, and why others cannot be tested on them."""
    seen, testable, notes = significance.observed(models), [], []
    tokens = [one.per_example_stats[:, -1] for one in models] if kind == "language" else []
    for name in scoring.load(kind).HEADLINE:
        if not all(name in one for one in scores):
            continue
        said = np.array([one[name] for one in scores])
        ours = seen.get(name, np.full(len(said), np.nan))
        near = NEAR.get(kind, NEAR_OTHERS) * np.maximum(1, np.abs(said))
        if not np.isfinite(ours).all():
            reason = "the predictions do not hold it row by row"
        elif any(not np.array_equal(tokens[0], other) for other in tokens[1:]):
            reason = "the models cut the texts into other tokens: it is not the same quantity"
        elif (np.abs(ours - said) > near).any():
            i = int(np.argmax(np.abs(ours - said) - near))
            reason = (
                f"the predictions of {compared_models[i].name} give {ours[i]:.4f}, its "
                f"metrics.json says "
                f"{said[i]:.4f} (another evaluate.positive_label?)"
            )
        else:
            testable.append(name)
            continue
        notes.append(f"{name}: no paired test, for {reason}")
    return testable, notes


def chosen_metric(metric: str | None, testable: Sequence[str], scored: Sequence[str]) -> str:
    """Return the score the verdict is about; where none can be tested, the first there is.

    Raises:
        InputError: the one that was asked for cannot be tested.
    """
    if metric is not None and metric not in testable:
        raise InputError(
            f"--metric {metric}: cannot be tested row by row{nearest(metric, testable)}; "
            f"allowed: {', '.join(testable) or 'none'}"
        )
    return metric or (testable or scored)[0]
