"""Logits and labels → the summed loss and the number of labels it is over.

The engine divides by the labels of the whole global batch, so that neither processes nor
accumulation change the gradient (FACTS 39).
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.core.errors import InputError
from temper.tasks.base.arrays import IGNORE_INDEX

if TYPE_CHECKING:
    from torch import Tensor

Loss = Callable[..., "Tensor"]  # of logits, labels and `extras`
Divergence = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]


def valid(labels: "Tensor") -> "Tensor":
    """Return which labels count: not `IGNORED`, not NaN; the shape of `labels`."""
    return ~labels.isnan() if labels.is_floating_point() else labels != IGNORE_INDEX


def balanced_weights(counts: np.ndarray, rows: int | None = None) -> list[float]:
    """Return `rows / (labels x count)` per label, as scikit-learn's `class_weight="balanced"`.

    Of several labels per row each is a question of its own: rows without it over rows with it,
    which give its positive term the weight of its negative one.

    Args:
        counts: rows per label.
        rows: all of them, where a row may have several labels.

    Raises:
        InputError: a label has no row, or every one.
    """
    if (counts == 0).any():
        raise InputError(
            f"train.class_weights is balanced, but label {int(np.argmin(counts))} has no row"
        )
    if rows is not None and (counts == rows).any():
        raise InputError(
            f"train.class_weights is balanced, but every row has label {int(np.argmax(counts))}"
        )
    if rows is not None:
        return ((rows - counts) / counts).tolist()
    return (counts.sum() / (len(counts) * counts)).tolist()


def extras(outputs: Any) -> dict[str, Any]:
    """Return what of a model's outputs the loss needs beside logits: a CRF's `transitions`."""
    transitions = getattr(outputs, "transitions", None)
    return {} if transitions is None else {"transitions": transitions}


def build_loss(
    name: str,
    *,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
    focal_gamma: float = 0.0,
    huber_delta: float | None = None,
) -> Loss:
    """Return a function `(logits (batch, …, outputs), labels) -> ()` that sums over valid labels.

    Args:
        name: cross_entropy (labels are ids, without the last axis), binary_cross_entropy (a 0 or 1
            per output), squared_error (a number per row) or crf (ids, and `transitions` beside).
        label_smoothing: share of the target spread over all classes (Szegedy et al. 2016).
        class_weights: factor per label; for several labels on the positive term.
        focal_gamma: factor `(1 - p)^gamma` on each term (Lin et al. 2017).
        huber_delta: for numbers, errors above this count linearly (Huber 1964); None: squared.
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
            ignore_index=IGNORE_INDEX,
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
        found, wanted = logits[:, 0].float(), labels.nan_to_num()
        if huber_delta is None:
            error = (found - wanted) ** 2
        else:
            error = functional.huber_loss(found, wanted, reduction="none", delta=huber_delta)
        return torch.where(valid(labels), error, 0.0).sum()

    return {
        "cross_entropy": cross_entropy,
        "binary_cross_entropy": binary_cross_entropy,
        "squared_error": squared_error,
        "crf": crf,
    }[name]


def crf(logits: "Tensor", labels: "Tensor", *, transitions: "Tensor") -> "Tensor":
    """Return the negative log-likelihood of the labelled paths in a linear-chain CRF, summed.

    A path's score is the sum of its logits and of the transitions it takes, over the labelled
    tokens of a row alone; its likelihood is relative to all paths (Lafferty et al. 2001).

    Args:
        logits: (batch, tokens, labels).
        labels: ids (batch, tokens), `IGNORED` where a token carries none.
        transitions: (labels + 2, labels): from each label, from the start, and of ending in each.
    """
    import torch

    counted, num_labels = valid(labels), logits.shape[-1]
    lengths = counted.sum(1)
    words = int(lengths.max())
    if not words:
        return logits.sum() * 0.0 + transitions.sum() * 0.0
    order = torch.argsort((~counted).to(torch.int8), dim=1, stable=True)[:, :words]
    scores = logits.float().gather(1, order[..., None].expand(-1, -1, num_labels))
    tags = labels.gather(1, order).clamp(min=0)  # (batch, words)
    inside = torch.arange(words, device=labels.device)[None] < lengths[:, None]
    table = transitions.float()
    between, start, end = table[:num_labels], table[num_labels], table[num_labels + 1]

    chosen = scores.gather(2, tags[..., None])[..., 0]  # (batch, words)
    path = start[tags[:, 0]] + (chosen * inside).sum(1)
    path = path + (between[tags[:, :-1], tags[:, 1:]] * inside[:, 1:]).sum(1)
    last = tags.gather(1, (lengths - 1).clamp(min=0)[:, None])[:, 0]
    path = path + end[last]

    total = start + scores[:, 0]  # (batch, labels): all paths that end in a label
    for word in range(1, words):
        longer = (total[:, :, None] + between).logsumexp(1) + scores[:, word]
        total = torch.where(inside[:, word, None], longer, total)
    return torch.where(lengths > 0, (total + end).logsumexp(1) - path, 0.0).sum()


def divergence(name: str) -> Divergence:
    """Return how far two passes' answers lie apart, summed over valid labels.

    The mean of both directions of the Kullback-Leibler divergence (Liang et al. 2021, R-Drop); for
    numbers the squared difference. Arguments: logits, logits of the second pass, labels.
    """
    import torch
    from torch.nn import functional

    def of_classes(one: "Tensor", other: "Tensor", labels: "Tensor") -> "Tensor":
        counted = valid(labels)
        one, other = (logits[counted].float().log_softmax(-1) for logits in (one, other))
        there = functional.kl_div(one, other, log_target=True, reduction="sum")
        return (there + functional.kl_div(other, one, log_target=True, reduction="sum")) / 2

    def of_labels(one: "Tensor", other: "Tensor", labels: "Tensor") -> "Tensor":
        one, other = one.float(), other.float()
        # KL(p, q) + KL(q, p) of two Bernoulli variables is (p - q) (logit p - logit q)
        terms = (one.sigmoid() - other.sigmoid()) * (one - other) / 2
        return torch.where(valid(labels), terms, 0.0).sum()

    def of_numbers(one: "Tensor", other: "Tensor", labels: "Tensor") -> "Tensor":
        terms = (one[:, 0].float() - other[:, 0].float()) ** 2
        return torch.where(valid(labels), terms, 0.0).sum()

    return {
        "cross_entropy": of_classes,
        "crf": of_classes,
        "binary_cross_entropy": of_labels,
        "squared_error": of_numbers,
    }[name]
