"""Labels of validation → whether `train.metric_for_best_model` says anything about a model."""

from collections.abc import Mapping, Sequence

from temper import metrics
from temper.core.errors import InputError

KEY = "train.metric_for_best_model"


def may_be_undefined(metric: str, name: str) -> bool:
    """Say whether some rows have no such metric; `name` is a module of temper/metrics."""
    return metric in metrics.MAY_BE_UNDEFINED or name == "classification"


def check(
    metric: str,
    name: str,
    counts: Mapping[str, int] | Mapping[float, int],
    num_rows: int,
    label_names: Sequence[str] = (),
    positive: str | None = None,
) -> None:
    """Refuse a metric that is undefined or 0 whatever is predicted.

    The first evaluation would be taken for the best.

    Args:
        name: a module of temper/metrics.
        counts: rows of validation by label, or by number; those that occur.
        positive: `evaluate.positive_label`.

    Raises:
        InputError: the area under ROC lacks rows of a label, F1 those of the positive one, or MCC
            and a correlation rows that differ.
    """
    if not may_be_undefined(metric, name):
        return
    needed, reason = label_names if metric == "roc_auc" else [], None
    if name == "classification":
        needed = [positive] if positive and metric in ("f1", "precision", "recall") else needed
        if lacking := [label for label in needed if label not in counts]:
            reason = f"no row has the label {', '.join(lacking[:10])}"
        elif metric == "mcc" and len(counts) < 2:
            reason = f"all rows have the label {', '.join(map(str, counts))}"
    elif name == "multi_label":
        if all(count == num_rows for count in counts.values()):
            reason = "every label is in all rows or in none"
    elif len(counts) < 2:
        reason = "all rows have the same number"
    if reason:
        raise InputError(
            f"{KEY}: {metric} says nothing on validation, where {reason}: use another, such as "
            "loss, or other rows"
        )
