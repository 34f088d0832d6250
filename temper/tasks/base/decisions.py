"""Logits of labels → probabilities, the labels they decide for, and rows that are left unanswered.

Evaluate, `temper predict` and the served model decide by the same rule (docs/adr/0035).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from temper.core.errors import InputError, alternatives
from temper.tasks.base.arrays import log_softmax

if TYPE_CHECKING:
    from temper.params.schema import EvaluateParams


@dataclass(frozen=True, kw_only=True)
class DecisionRule:
    """Temperature first, then thresholds of labels, then the least confidence of an answer."""

    several: bool  # whether a row may have several labels
    temperature: float = 1.0
    threshold: float | np.ndarray = 0.5  # of each of several labels, one for all or one each
    point: tuple[int, float] | None = None  # a label's id and its threshold
    min_confidence: float | None = None

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the probability of each label, (rows, labels) float64; of one they sum to 1."""
        scaled = logits.astype(np.float64) / self.temperature
        return 1 / (1 + np.exp(-scaled)) if self.several else np.exp(log_softmax(scaled))

    def predictions(self, probabilities: np.ndarray) -> np.ndarray:
        """Return ids (rows,), or booleans (rows, labels) where a row may have several labels.

        The label of an operating point is predicted where it reaches its threshold, and the
        likeliest of the others elsewhere.
        """
        if self.several:
            thresholds = np.broadcast_to(self.threshold, probabilities.shape[-1:]).copy()
            if self.point is not None:
                thresholds[self.point[0]] = self.point[1]
            return probabilities >= thresholds
        if self.point is None:
            return probabilities.argmax(-1)
        label, threshold = self.point
        others = probabilities.copy()
        others[:, label] = -1.0
        return np.where(probabilities[:, label] >= threshold, label, others.argmax(-1))

    def confidence(self, probabilities: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Return the model's probability that a prediction is right, (rows,).

        Of several labels it is that of all together, which the model takes as independent.
        """
        if self.several:
            return np.where(predictions, probabilities, 1 - probabilities).prod(-1)
        return np.take_along_axis(probabilities, predictions[:, None], -1)[:, 0]

    def abstains(self, confidence: np.ndarray) -> np.ndarray:
        """Return which rows are left unanswered, (rows,) booleans: those of NaN too."""
        return ~(confidence >= (self.min_confidence or 0.0))


def read(p: "EvaluateParams", label_names: Sequence[str], *, several: bool) -> DecisionRule:
    """Return the rule of params.yaml or of an export; what evaluate has yet to find is off.

    Raises:
        InputError: the operating point is that of no label.
    """
    point, abstain = p.operating_point, p.abstain
    if point is not None and point.label not in label_names:
        raise InputError(
            f"evaluate.operating_point.label: {point.label!r} is not a label of the model"
            f"{alternatives(point.label, label_names)}"
        )
    return DecisionRule(
        several=several,
        temperature=p.temperature if isinstance(p.temperature, int | float) else 1.0,
        threshold=_threshold(p.threshold, label_names),
        point=None
        if point is None or point.threshold is None
        else (label_names.index(point.label), point.threshold),
        min_confidence=None if abstain is None else abstain.threshold,
    )


def _threshold(
    setting: float | Mapping[str, float] | str | None, label_names: Sequence[str]
) -> float | np.ndarray:
    """Return `evaluate.threshold` as a probability or one per label; 0.5 where it has none."""
    if isinstance(setting, Mapping):
        return np.array([setting[name] for name in label_names])
    return setting if isinstance(setting, float) else 0.5
