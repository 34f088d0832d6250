"""Vectors of texts → losses that compare the rows of a batch with each other."""

import torch
from torch import Tensor
from torch.nn import functional

from temper.tasks.base.arrays import IGNORE_INDEX


def multiple_negatives_ranking(logits: Tensor, labels: Tensor, *, temperature: float) -> Tensor:
    """Sum over rows and labels the cross-entropy of the row's positive among the batch's texts.

    The candidates of an anchor are the positives and negatives of all rows (Henderson et al. 2017;
    with a temperature, the InfoNCE of van den Oord et al. 2018), without copies of its positive and
    without the positives of rows with the same anchor, which are no negatives.

    Args:
        logits: unit vectors (rows x texts, size): anchor, positive and negative of each row.
        labels: a number per distinct text, (rows, texts); `IGNORE_INDEX` in rows that only pad.
        temperature: divides the cosine similarities.
    """
    num_rows, num_texts = labels.shape
    vectors = logits.float().view(num_rows, num_texts, -1)
    anchors, positives = labels[:, :1], labels[:, 1]
    candidates = labels[:, 1:].T.flatten()  # all positives, then all negatives
    similar = vectors[:, 0] @ vectors[:, 1:].transpose(0, 1).flatten(0, 1).T
    same_anchor = (anchors == anchors.T).float()
    is_positive = (positives[:, None] == candidates).float()
    left_out = (same_anchor @ is_positive > 0) | (candidates == IGNORE_INDEX)
    own = torch.eye(num_rows, len(candidates), dtype=torch.bool, device=labels.device)
    scores = (similar / temperature).masked_fill(left_out & ~own, -torch.inf)
    rows = torch.arange(num_rows, device=labels.device)
    terms = functional.cross_entropy(scores, rows, reduction="none")
    return torch.where(positives != IGNORE_INDEX, terms, 0.0).sum() * num_texts


def cosent(logits: Tensor, labels: Tensor, *, temperature: float) -> Tensor:
    """Compute the CoSENT loss (Huang et al. 2024) of a batch, times its labels.

    It is log(1 + Σ exp((cos_i - cos_j) / temperature)) over all rows i and j of which i has the
    lower score.

    Args:
        logits: unit vectors (rows x 2, size).
        labels: scores (rows,), NaN where a row has none.
        temperature: divides the cosine similarities.
    """
    first, second = logits.float().view(len(labels), 2, -1).unbind(1)
    similar = (first * second).sum(-1) / temperature
    is_lower = labels[:, None] < labels  # false with NaN
    terms = (similar[:, None] - similar).masked_fill(~is_lower, -torch.inf)
    summed = torch.cat([terms.flatten(), terms.new_zeros(1)]).logsumexp(0)
    return summed * (~labels.isnan()).sum()


LOSSES = {"multiple_negatives_ranking": multiple_negatives_ranking, "cosent": cosent}
