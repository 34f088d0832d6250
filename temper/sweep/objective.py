"""The objective of a trial: the validation score of the weights in data/model."""

import csv
import io

from temper import metrics
from temper.core.errors import InputError
from temper.params import Params, user_code
from temper.training.history import History

HISTORY_FILE = "data/history/validation.csv"
NOT_METRICS = ("step", "epoch")


def directions(parameters: Params) -> dict[str, bool]:
    """Return each metric of the validation history, and whether greater is better."""
    return metrics.directions(parameters.task.metrics, user_code.trained_metric(parameters))


def model_score(text: str, parameters: Params, metric: str) -> float:
    """Return the validation score of the weights that training saved.

    They are those of the evaluation that is best by `train.metric_for_best_model`, the first of
    equals. With `train.weight_averaging` of checkpoints the model is an average that training never
    scores; its score here is the mean of theirs. A model soup is scored: the last row.

    Raises:
        InputError: nothing was scored, or not by this metric, or it is undefined.
    """
    rows = list(csv.DictReader(io.StringIO(text)))
    if not rows or metric not in rows[0]:
        columns = ", ".join(name for name in (rows[0] if rows else ()) if name not in NOT_METRICS)
        raise InputError(f"{HISTORY_FILE} has no {metric}; it has {columns or 'no rows'}")
    scored = [{k: float(v) for k, v in row.items() if v} for row in rows if row["step"] != "0"]
    best = user_code.attribute_name(parameters.train.metric_for_best_model)
    history = History(parameters.train, directions(parameters)[best], validation=scored)
    saved = history.averaged() or [max(scored, key=history.value)]
    if parameters.train.model_soup_size:
        saved = scored[-1:]
    if any(metric not in row for row in saved):
        raise InputError(f"{HISTORY_FILE}: {metric} is undefined for the weights that were saved")
    return sum(row[metric] for row in saved) / len(saved)
