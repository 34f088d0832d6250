"""`evaluate.temperature`, `operating_point`, `abstain` and rows of validation → the rule."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from temper.core.errors import InputError
from temper.evaluation import decision_search
from temper.evaluation.decision_search import Cut
from temper.metrics import multi_label
from temper.params.schema import EvaluateParams
from temper.tasks.base import decisions
from temper.tasks.base.decisions import DecisionRule


@dataclass(frozen=True, kw_only=True)
class FoundRule:
    """How rows are decided, and what an export and the reports have to know of it."""

    rule: DecisionRule
    settings: dict[str, Any] = field(default_factory=dict)  # keys of `evaluate` → what was found
    unreached: dict[str, str] = field(default_factory=dict)  # keys of `evaluate` → what is possible
    notes: list[str] = field(default_factory=list)


def find(
    p: EvaluateParams,
    label_names: Sequence[str],
    logits: np.ndarray,
    references: np.ndarray,
    seed: int,
) -> FoundRule:
    """Return the rule whose temperature and thresholds are found on these rows.

    Args:
        p: with or without targets.
        label_names: in the order of their ids.
        logits: (rows, labels).
        references: ids (rows,), or multi-hot (rows, labels).
        seed: of the folds that the temperature is cross-validated on.

    Raises:
        InputError: all rows have the operating point's label, or none has.
    """
    found = _tuned(p, label_names, logits, references, seed)
    rule, settings, unreached = found.rule, {**found.settings}, {}
    probabilities = rule.probabilities(logits)
    point, abstain = p.operating_point, p.abstain
    if point is not None and point.target is not None:
        label = label_names.index(point.label)
        cut = _operating_cut(probabilities, references, label, point.label, *point.target)
        if cut.reaches_target:
            rule = replace(rule, point=(label, cut.threshold))
            settings["operating_point"] = {"label": point.label, "threshold": cut.threshold}
        else:
            unreached["operating_point"] = _why(cut, f"{point.label}: no threshold", *point.target)
    if abstain is not None and abstain.target is not None:
        cut = _confidence_cut(rule, probabilities, references, *abstain.target)
        if cut.reaches_target:
            rule = replace(rule, min_confidence=cut.threshold)
            settings["abstain"] = {"threshold": cut.threshold}
        else:
            unreached["abstain"] = _why(cut, "no confidence", *abstain.target)
    notes = found.notes + [f"evaluate.{key}: {text}" for key, text in unreached.items()]
    return FoundRule(rule=rule, settings=settings, unreached=unreached, notes=notes)


def _tuned(
    p: EvaluateParams,
    label_names: Sequence[str],
    logits: np.ndarray,
    references: np.ndarray,
    seed: int,
) -> FoundRule:
    """Find what has no target: the temperature, and the thresholds of labels."""
    rule = decisions.read(p, label_names, several=references.ndim == 2)
    settings, notes = {}, []
    if p.temperature == "tuned":
        temperature, note = decision_search.fit_temperature(logits, references, seed)
        rule, settings["temperature"] = replace(rule, temperature=temperature or 1.0), temperature
        notes.append(f"evaluate.temperature: {note}")
    if p.threshold == "tuned":
        thresholds = multi_label.tune_thresholds(rule.probabilities(logits), references)
        rule = replace(rule, threshold=thresholds)
    return FoundRule(rule=rule, settings=settings, notes=notes)


def _operating_cut(
    probabilities: np.ndarray,
    references: np.ndarray,
    label: int,
    name: str,
    target: str,
    value: float,
) -> Cut:
    holds = references == label if references.ndim == 1 else references[:, label].astype(bool)
    if holds.all() or not holds.any():
        which = "every row" if holds.all() else "no row"
        raise InputError(
            f"evaluate.operating_point: {which} of validation has the label {name!r}, so no "
            "threshold can be found there; give validation rows of other labels too"
        )
    return decision_search.operating_cut(probabilities[:, label], holds, target, value)


def _confidence_cut(
    rule: DecisionRule, probabilities: np.ndarray, references: np.ndarray, target: str, value: float
) -> Cut:
    decided = rule.predictions(probabilities)
    right = (decided == references).reshape(len(references), -1).all(-1)
    confidence = rule.confidence(probabilities, decided)
    return decision_search.confidence_cut(confidence, right, target, value)


def _why(cut: Cut, what: str, target: str, value: float) -> str:
    """Return what is possible where a target is not."""
    is_rate = target == "false_positive_rate"
    sign, best, name = ("≤", "lowest", target) if is_rate else ("≥", "highest", target)
    others = ", ".join(
        f"{other.replace('_', ' ')} {score:.3f}"
        for other, score in cut.scores.items()
        if other != target
    )
    name = name.replace("_", " ")
    return (
        f"{what} has {name} {sign} {value:g} on validation; the {best} is "
        f"{cut.scores[target]:.3f}, at {cut.threshold:g} ({others})"
    )
