"""A loss and teachers' logits → their weighted sum, as in Hinton et al. 2015 (arXiv:1503.02531)."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from temper.params.teachers import Distillation
from temper.training.losses import LossFunction, label_mask


def with_teachers(
    loss_function: LossFunction, name: str, params: Distillation | None
) -> LossFunction:
    """Return the loss `(1 - weight) x loss + weight x temperature² x divergence`, summed.

    The divergence is that of Kullback and Leibler from the mean of the teachers' probabilities to
    the student's, both from logits divided by the temperature; for several labels a row, the sum
    over labels; for a number, the squared difference from the mean of the teachers'.

    Args:
        name: of the task's loss, as in `losses.build_loss`.
        params: None: there is no teacher, and the loss stays as it is.
    """
    if params is None:
        return loss_function
    divergence = {
        "binary_cross_entropy": _divergence_of_labels,
        "squared_error": _squared_distance,
    }.get(name, _divergence_of_classes)
    weight, temperature = params.weight, params.temperature

    def distilled(logits: Tensor, labels: Tensor, **kwargs: Any) -> Tensor:
        teachers = kwargs.pop("teacher_logits").float() / temperature
        counts = label_mask(labels)
        if teachers.ndim == 4:  # of tokens
            teachers = teachers.movedim(-1, 1)  # (batch, tokens, teachers, labels)
            counts = counts & ~teachers.isnan().any(-1).any(-1)
        terms = divergence(logits.float() / temperature, teachers.nan_to_num())
        soft = torch.where(counts, terms, 0.0).sum()
        if weight == 1:  # an infinite loss of the labels times 0 is NaN
            return temperature**2 * soft
        hard = loss_function(logits, labels, **kwargs)
        return (1 - weight) * hard + weight * temperature**2 * soft

    return distilled


def _divergence_of_classes(logits: Tensor, teachers: Tensor) -> Tensor:
    """Return KL per row or token from logits (…, labels) and those of teachers (…, n, labels)."""
    wanted = teachers.softmax(-1).mean(-2)
    return functional.kl_div(logits.log_softmax(-1), wanted, reduction="none").sum(-1)


def _divergence_of_labels(logits: Tensor, teachers: Tensor) -> Tensor:
    """Return KL per row and label, each a Bernoulli variable."""
    wanted = teachers.sigmoid().mean(-2)
    entropy = -torch.xlogy(wanted, wanted) - torch.xlogy(1 - wanted, 1 - wanted)
    cross = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return cross - entropy


def _squared_distance(logits: Tensor, teachers: Tensor) -> Tensor:
    return (logits[:, 0] - teachers.mean(1)[:, 0]) ** 2
