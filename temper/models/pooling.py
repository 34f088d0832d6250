"""Hidden states of a row's tokens → one vector per row."""

import torch
from torch import nn


def pool_tokens(hidden: torch.Tensor, mask: torch.Tensor | None, method: str) -> torch.Tensor:
    """Pool hidden states (batch, tokens, hidden) to (batch, hidden) by first, mean or max.

    What the mask (batch, tokens) leaves out does not count; None: no padding.
    """
    if mask is None:
        mask = hidden.new_ones(hidden.shape[:2])
    if method == "first":
        first = mask.to(torch.int32).argmax(1)  # not 0 with left padding
        return hidden.gather(1, first[:, None, None].expand(-1, 1, hidden.shape[-1]))[:, 0]
    weights = mask[:, :, None].to(hidden.dtype)
    if method == "max":
        return (hidden + (weights - 1) * 1e4).amax(1)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


def pool_pair(hidden: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
    """Concatenate both texts' means, their distance and their product (batch, 4 x hidden).

    The model encodes the two texts as one sequence; token type 1 marks the second. These are the
    features of Conneau et al. 2017. Each mean is scaled to the norm √hidden, as a layer norm would.
    """
    first, second = (
        nn.functional.normalize(pool_tokens(hidden, mask * (types == text), "mean"), dim=-1)
        * hidden.shape[-1] ** 0.5
        for text in (0, 1)
    )
    return torch.cat([first, second, (first - second).abs(), first * second], -1)
