"""data/history/validation.csv → the validation score of the weights that data/model holds."""

import csv
import io
from typing import Any

from temper.core.errors import InputError

FILE = "data/history/validation.csv"
UNSCORED = ("step", "epoch")


def directions(parameters: Any) -> dict[str, bool]:
    """Return each metric of the validation history, and whether more of it is better."""
    from temper import metrics
    from temper.params import user_code

    return metrics.directions(parameters.task.metrics, user_code.trained_metric(parameters))


def kept(text: str, parameters: Any, metric: str) -> float:
    """Return the score of the kept weights.

    They are those of the evaluation that is best by `train.metric_for_best_model`, the first of
    equals. With `train.weight_averaging` of checkpoints the model is a mean that training never
    scores; its score here is the mean of theirs. The mean of a model soup is scored: the last row.

    Args:
        text: of validation.csv.
        parameters: of the training.
        metric: a column of the file.

    Raises:
        InputError: nothing was scored, or not by this metric.
    """
    from temper.params import user_code
    from temper.training.history import History

    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows or metric not in rows[0]:
        columns = ", ".join(name for name in (rows[0] if rows else ()) if name not in UNSCORED)
        raise InputError(f"{FILE} has no {metric}; it has {columns or 'no rows'}")
    best = user_code.last(parameters.train.metric_for_best_model)
    history = History(validation=[{k: float(v) for k, v in row.items()} for row in rows])
    if parameters.train.model_soup_size:
        return history.validation[-1][metric]
    chosen = history.kept(
        best, parameters.train.weight_averaging, greater=directions(parameters)[best]
    )
    return sum(row[metric] for row in chosen) / len(chosen)
