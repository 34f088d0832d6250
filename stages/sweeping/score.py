"""data/history/validation.csv → the validation score of the weights that data/model holds."""

import csv
import io
from typing import Any

from stages.errors import InputError

FILE = "data/history/validation.csv"


def directions(parameters: Any) -> dict[str, bool]:
    """Return each metric of the validation history, and whether more of it is better."""
    from stages import metrics, own

    known = metrics.module(parameters.task.metrics)
    found = {"loss": False, **getattr(known, "TRAINING", known.GREATER_IS_BETTER)}
    best = parameters.train.best_metric
    if "." in best:
        function = own.resolve(best, "train.best_metric", parameters.code)
        found[own.last(best)] = getattr(function, "greater_is_better", True)
    return found


def kept(text: str, parameters: Any, metric: str) -> float:
    """Return the score of the kept weights.

    They are those of the evaluation that is best by `train.best_metric`, the first of equals. With
    `train.averaging` of checkpoints the model is a mean that training never scores; its score here
    is the mean of theirs.

    Args:
        text: of validation.csv.
        parameters: of the training.
        metric: a column of the file.

    Raises:
        InputError: nothing was scored, or not by this metric.
    """
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows or metric not in rows[0]:
        columns = ", ".join(name for name in (rows[0] if rows else ()) if name not in UNSCORED)
        raise InputError(f"{FILE} has no {metric}; it has {columns or 'no rows'}")
    chosen = chosen_rows([{k: float(v) for k, v in row.items()} for row in rows], parameters)
    return sum(row[metric] for row in chosen) / len(chosen)


UNSCORED = ("step", "epoch")


def chosen_rows(rows: list[dict[str, float]], parameters: Any) -> list[dict[str, float]]:
    """Return the evaluations whose weights data/model is, or is the mean of."""
    from stages import own

    p, best = parameters.train, own.last(parameters.train.best_metric)
    greater = directions(parameters)[best]
    ranked = sorted(rows, key=lambda row: (-row[best] if greater else row[best], row["step"]))
    if p.averaging is None or p.averaging.kind == "ema":
        return ranked[:1]
    return ranked[: p.averaging.count] if p.averaging.kind == "best" else rows[-p.averaging.count :]
