"""Logits and labels → the loss summed over labels.

The session divides by the number of labels in the whole global batch, so that neither the number of
processes nor gradient accumulation changes the gradient.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers.utils.generic import ModelOutput
from transformers.utils.import_utils import is_cuda_stream_capturing

from temper.core.errors import InputError
from temper.tasks.base.arrays import IGNORE_INDEX, PADDING_LOGIT
from temper.training import embedding_losses

# Of a batch, besides `labels`, that are no input of the network.
TARGETS = ("teacher_logits", "label_probabilities")
LossFunction = Callable[..., Tensor]  # (logits, labels, **loss_kwargs)


def label_mask(labels: Tensor) -> Tensor:
    """Return a mask of the labels that count, neither `IGNORE_INDEX` nor NaN; shape of `labels`."""
    return ~labels.isnan() if labels.is_floating_point() else labels != IGNORE_INDEX


def balanced_weights(counts: np.ndarray, num_rows: int | None = None) -> list[float]:
    """Return `rows / (labels x count)` per label, as scikit-learn's `class_weight="balanced"`.

    In a multi-label task each label is a binary problem: its weight is the number of rows without
    it over the number with it, so that positives weigh as much as negatives.

    Args:
        num_rows: of the split, in a multi-label task; otherwise None.

    Raises:
        InputError: no row has some label, or (multi-label) every row has it.
    """
    if (counts == 0).any():
        raise InputError(
            f"train.class_weights is balanced, but label {int(np.argmin(counts))} has no row"
        )
    if num_rows is not None and (counts == num_rows).any():
        raise InputError(
            f"train.class_weights is balanced, but every row has label {int(np.argmax(counts))}"
        )
    if num_rows is not None:
        return ((num_rows - counts) / counts).tolist()
    return (counts.sum() / (len(counts) * counts)).tolist()


def loss_kwargs(outputs: ModelOutput) -> dict[str, Tensor]:
    """Return the model outputs that the loss needs besides logits: a CRF's `transitions`."""
    transitions = getattr(outputs, "transitions", None)
    return {} if transitions is None else {"transitions": transitions}


def build_loss(
    name: str,
    *,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
    focal_gamma: float = 0.0,
    huber_delta: float | None = None,
    **options: float,
) -> LossFunction:
    """Build a function `(logits (batch, …, outputs), labels) -> ()` that sums over labels.

    Args:
        name: cross_entropy (labels are ids, without the last axis), binary_cross_entropy (a 0 or 1
            per output), squared_error (a number per row), crf (ids; also takes `transitions`) or
            one of `embedding_losses`.
        label_smoothing: share of the target spread over all classes (Szegedy et al. 2016).
        class_weights: factor per label; in a multi-label task on the positive term.
        focal_gamma: factor `(1 - p)^gamma` on each term (Lin et al. 2017).
        huber_delta: regression: errors above this count linearly (Huber 1964); None: squared.
        options: of one of `embedding_losses`, or of `cross_entropy`.
    """
    if name == "crf":
        return crf
    if name in embedding_losses.LOSSES:
        return partial(embedding_losses.LOSSES[name], **options)
    if name == "squared_error":
        return partial(squared_error, huber_delta=huber_delta)
    function = {"cross_entropy": cross_entropy, "binary_cross_entropy": binary_cross_entropy}[name]
    return partial(
        function,
        label_smoothing=label_smoothing,
        class_weights=class_weights and tuple(class_weights),
        focal_gamma=focal_gamma,
        **options,
    )


def cross_entropy(
    logits: Tensor,
    labels: Tensor,
    *,
    label_smoothing: float,
    class_weights: tuple[float, ...] | None,
    focal_gamma: float,
    label_probabilities: Tensor | None = None,
    is_padded: bool = False,
) -> Tensor:
    """Sum the cross-entropy of logits (…, classes) and label ids (…); see `build_loss`.

    With `label_probabilities` (batch, classes) that of these, in rows that have a label.
    `is_padded`: outputs of `PADDING_LOGIT` only pad a row, and are no classes of it.
    """
    if label_probabilities is not None:
        terms = -(label_probabilities * logits.float().log_softmax(-1)).sum(-1)
        return torch.where(label_mask(labels), terms, 0.0).sum()
    if labels.ndim > 1 and is_cuda_stream_capturing():  # a CUDA graph has fixed shapes
        logits, labels = logits.flatten(0, -2), labels.flatten()
    elif labels.ndim > 1:  # most tokens of a batch may carry no label: drop them early
        mask = label_mask(labels)
        logits, labels = logits[mask], labels[mask]
    logits, weights = logits.float(), _weights_on(logits.device, class_weights)
    entropy = partial(functional.cross_entropy, ignore_index=IGNORE_INDEX, reduction="none")
    terms = entropy(logits, labels, weights, label_smoothing=0.0 if is_padded else label_smoothing)
    if is_padded and label_smoothing:
        is_class = logits > PADDING_LOGIT
        spread = torch.where(is_class, -logits.log_softmax(-1), 0.0).sum(-1) / is_class.sum(-1)
        terms = terms.lerp(torch.where(label_mask(labels), spread, 0.0), label_smoothing)
    if focal_gamma:
        probability = logits.softmax(-1).gather(-1, labels.clamp(min=0)[:, None])[:, 0]
        terms = terms * focal_factor(1 - probability, focal_gamma)
    return terms.sum()


def binary_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    *,
    label_smoothing: float,
    class_weights: tuple[float, ...] | None,
    focal_gamma: float,
) -> Tensor:
    """Sum the binary cross-entropy of logits and multi-hot labels (rows, labels)."""
    logits, mask, multi_hot = logits.float(), label_mask(labels), labels.nan_to_num()
    terms = functional.binary_cross_entropy_with_logits(
        logits,
        multi_hot * (1 - label_smoothing) + label_smoothing / 2,
        pos_weight=_weights_on(logits.device, class_weights),
        reduction="none",
    )
    if focal_gamma:
        probability = logits.sigmoid()
        error = multi_hot * (1 - probability) + (1 - multi_hot) * probability
        terms = terms * focal_factor(error, focal_gamma)
    return torch.where(mask, terms, 0.0).sum()


@cache
def _weights_on(device: torch.device, class_weights: tuple[float, ...] | None) -> Tensor | None:
    """Return weights in fp32, copied once: a CUDA graph cannot record a copy from the host."""
    if class_weights is None:
        return None
    with torch.inference_mode(mode=False):  # whoever asks first
        return torch.tensor(class_weights, device=device)


def focal_factor(error: Tensor, gamma: float) -> Tensor:
    """Return `error^gamma`, whose gradient is finite where a certain prediction has no error."""
    return error.clamp(min=torch.finfo(error.dtype).tiny) ** gamma


def squared_error(logits: Tensor, labels: Tensor, *, huber_delta: float | None) -> Tensor:
    """Sum the squared or Huber error of logits (rows, 1) and numbers (rows,)."""
    predictions, targets = logits[:, 0].float(), labels.nan_to_num()
    if huber_delta is None:
        terms = (predictions - targets) ** 2
    else:
        terms = functional.huber_loss(predictions, targets, reduction="none", delta=huber_delta)
    return torch.where(label_mask(labels), terms, 0.0).sum()


def crf(logits: Tensor, labels: Tensor, *, transitions: Tensor) -> Tensor:
    """Compute the summed negative log-likelihood of the label sequences in a linear-chain CRF.

    A sequence's score is the sum of its logits and transitions over the labelled tokens of a row;
    its likelihood is relative to all label sequences (Lafferty et al. 2001).

    Args:
        logits: (batch, tokens, labels).
        labels: ids (batch, tokens), `IGNORE_INDEX` where a token carries none.
        transitions: (labels + 2, labels): from each label, from the start, and to the end.
    """
    mask, num_labels = label_mask(labels), logits.shape[-1]
    lengths = mask.sum(1)
    words = int(lengths.max())
    if not words:
        return logits.sum() * 0.0 + transitions.sum() * 0.0
    order = torch.argsort((~mask).to(torch.int8), dim=1, stable=True)[:, :words]
    scores = logits.float().gather(1, order[..., None].expand(-1, -1, num_labels))
    tags = labels.gather(1, order).clamp(min=0)  # (batch, words)
    inside = torch.arange(words, device=labels.device)[None] < lengths[:, None]
    table = transitions.float()
    between, start, end = table[:num_labels], table[num_labels], table[num_labels + 1]

    emitted = scores.gather(2, tags[..., None])[..., 0]  # (batch, words)
    path = start[tags[:, 0]] + (emitted * inside).sum(1)
    path = path + (between[tags[:, :-1], tags[:, 1:]] * inside[:, 1:]).sum(1)
    last = tags.gather(1, (lengths - 1).clamp(min=0)[:, None])[:, 0]
    path = path + end[last]

    total = start + scores[:, 0]  # (batch, labels): all paths ending in a label
    for word in range(1, words):
        longer = (total[:, :, None] + between).logsumexp(1) + scores[:, word]
        total = torch.where(inside[:, word, None], longer, total)
    return torch.where(lengths > 0, (total + end).logsumexp(1) - path, 0.0).sum()


def with_r_drop(loss_function: LossFunction, name: str, alpha: float) -> LossFunction:
    """Return the loss of rows that are passed twice, which pulls both predictions together.

    It is the mean of both passes' losses plus `alpha` times the mean of both directions of the
    Kullback-Leibler divergence (Liang et al. 2021, R-Drop), for regression the squared difference;
    summed over labels.

    Args:
        name: as in `build_loss`.
    """
    functions = {"binary_cross_entropy": _divergence_of_labels, "squared_error": _squared_distance}
    divergence = functions.get(name, _divergence_of_classes)

    def r_drop(logits: Tensor, labels: Tensor, **kwargs: Tensor) -> Tensor:
        first, second = logits.chunk(2)
        loss = loss_function(first, labels, **kwargs) + loss_function(second, labels, **kwargs)
        return loss / 2 + alpha * divergence(first.float(), second.float(), label_mask(labels))

    return r_drop


def _divergence_of_classes(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    # KL(p, q) + KL(q, p) is the sum of (p - q) (log p - log q)
    log_p, log_q = first.log_softmax(-1), second.log_softmax(-1)
    terms = (log_p.exp() - log_q.exp()) * (log_p - log_q) / 2
    return torch.where(mask[..., None], terms, 0.0).sum()


def _divergence_of_labels(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    # KL(p, q) + KL(q, p) of two Bernoulli variables is (p - q) (logit p - logit q)
    terms = (first.sigmoid() - second.sigmoid()) * (first - second) / 2
    return torch.where(mask, terms, 0.0).sum()


def _squared_distance(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, (first[:, 0] - second[:, 0]) ** 2, 0.0).sum()
