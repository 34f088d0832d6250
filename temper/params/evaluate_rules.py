"""How predictions are made and scored → what does not fit the task, or the labels of the data."""

from collections.abc import Iterator, Sequence

from temper.core.errors import InputError, alternatives
from temper.params.schema import EvaluateParams, Params, label_phrases
from temper.params.train_rules import Conflict

DECISIONS = ("temperature", "operating_point", "abstain")  # keys of `evaluate`


def conflicts(p: Params) -> Iterator[Conflict]:
    """Yield a positive label and zero-shot models that the task has no use for."""
    if p.task.metrics != "classification" and p.evaluate.positive_label is not None:
        task = getattr(p.task, "problem_type", p.task.name)
        yield "evaluate.positive_label", f"must be null for {task}"
    no_labels = p.task.metrics not in ("classification", "multi_label")
    if (no_labels or p.task.medium == "audio") and p.evaluate.zero_shot:
        yield "evaluate.zero_shot", f"must be {{}} for {p.task.name}"


def label_conflicts(p: Params, labels: Sequence[str]) -> Iterator[Conflict]:
    """Yield the parameters of `evaluate` that name labels and do not match those of the data."""
    positive, point = p.evaluate.positive_label, p.evaluate.operating_point
    names, threshold = ", ".join(labels), p.evaluate.threshold
    if p.task.metrics == "classification":
        if positive is None and len(labels) == 2:
            message = "null, but the F1 of two labels is ambiguous: say which one is positive, "
            yield "evaluate.positive_label", message + " or ".join(labels)
        if positive is not None and positive not in labels:
            message = f"{positive!r} is not a label of the data{alternatives(positive, labels)}"
            yield "evaluate.positive_label", message
    if isinstance(threshold, dict) and set(threshold) != set(labels):
        yield "evaluate.threshold", f"names {', '.join(threshold)}; it needs each of {names}"
    if point is not None and point.label not in labels:
        message = f"{point.label!r} is not a label of the data{alternatives(point.label, labels)}"
        yield "evaluate.operating_point.label", message
    for name, model in p.evaluate.zero_shot.items():
        for label in model.phrases or ():
            if label not in labels:
                message = f"{label!r} is not a label of the data{alternatives(label, labels)}"
                yield f"evaluate.zero_shot.{name}.phrases", message
        try:
            label_phrases(model.phrases, labels)
        except InputError as error:
            yield f"evaluate.zero_shot.{name}", str(error)


def check_validation(users: Sequence[str], *, has_labels: bool) -> None:
    """Refuse parameters that need a validation split with labels where it has none.

    Raises:
        InputError: it has none, or there is no such split.
    """
    if users and not has_labels:
        raise InputError(
            f"there is no labelled validation split, but {', '.join(users)} needs one; set "
            "data.split.validation"
        )


def users_of_validation(p: EvaluateParams) -> list[str]:
    """Return the parameters in use whose numbers are found on a validation split with labels."""
    in_use = {
        "temperature": p.temperature == "tuned",
        "operating_point": p.operating_point is not None and p.operating_point.target is not None,
        "abstain": p.abstain is not None and p.abstain.target is not None,
    }
    return [f"evaluate.{name}" for name, is_on in in_use.items() if is_on]
