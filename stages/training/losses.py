"""Logits and labels → the summed loss and the number of labels it is over.

The engine divides by the labels of the whole global batch, so that neither processes nor
accumulation change the gradient (FACTS 39).
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from stages.errors import InputError
from stages.tasks.base import IGNORED

if TYPE_CHECKING:
    from torch import Tensor

Loss = Callable[["Tensor", "Tensor"], "Tensor"]


def valid(labels: "Tensor") -> "Tensor":
    """Return which labels count: not `IGNORED`, not NaN; the shape of `labels`."""
    return ~labels.isnan() if labels.is_floating_point() else labels != IGNORED


def balanced_weights(counts: np.ndarray) -> list[float]:
    """Return `rows / (labels x count)` per label, as scikit-learn's `class_weight="balanced"`.

    Raises:
        InputError: a label has no row.
    """
    if (counts == 0).any():
        raise InputError(
            f"train.class_weights is balanced, but label {int(np.argmin(counts))} has no row"
        )
    return (counts.sum() / (len(counts) * counts)).tolist()


def make(
    name: str,
    *,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
    focal_gamma: float = 0.0,
) -> Loss:
    """Return a function `(logits (batch, …, outputs), labels) -> ()` that sums over valid labels.

    Args:
        name: cross_entropy (labels are ids, without the last axis), binary_cross_entropy (a 0 or 1
            per output) or squared_error (a number per row).
        label_smoothing: share of the target spread over all classes (Szegedy et al. 2016).
        class_weights: factor per label; for several labels on the positive term.
        focal_gamma: factor `(1 - p)^gamma` on each term (Lin et al. 2017).
    """
    import torch
    from torch.nn import functional

    def weights(logits: "Tensor") -> "Tensor | None":
        return None if class_weights is None else logits.new_tensor(class_weights)

    def cross_entropy(logits: "Tensor", labels: "Tensor") -> "Tensor":
        if labels.ndim > 1:  # most tokens of a batch may carry no label: leave them out early
            counted = valid(labels)
            logits, labels = logits[counted], labels[counted]
        logits = logits.float()
        terms = functional.cross_entropy(
            logits,
            labels,
            weight=weights(logits),
            ignore_index=IGNORED,
            label_smoothing=label_smoothing,
            reduction="none",
        )
        if focal_gamma:
            chosen = logits.softmax(-1).gather(-1, labels.clamp(min=0)[:, None])[:, 0]
            terms = terms * (1 - chosen) ** focal_gamma
        return terms.sum()

    def binary_cross_entropy(logits: "Tensor", labels: "Tensor") -> "Tensor":
        logits, counted, hot = logits.float(), valid(labels), labels.nan_to_num()
        soft = hot * (1 - label_smoothing) + label_smoothing / 2
        terms = functional.binary_cross_entropy_with_logits(
            logits, soft, pos_weight=weights(logits), reduction="none"
        )
        if focal_gamma:
            probability = logits.sigmoid()
            terms = terms * (hot * (1 - probability) + (1 - hot) * probability) ** focal_gamma
        return torch.where(counted, terms, 0.0).sum()

    def squared_error(logits: "Tensor", labels: "Tensor") -> "Tensor":
        error = (logits[:, 0].float() - labels.nan_to_num()) ** 2
        return torch.where(valid(labels), error, 0.0).sum()

    return {
        "cross_entropy": cross_entropy,
        "binary_cross_entropy": binary_cross_entropy,
        "squared_error": squared_error,
    }[name]
