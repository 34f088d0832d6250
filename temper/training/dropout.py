"""Dropout on a CPU with masks that depend on (seed, step) alone, drawn by a fast generator.

torch's own masks take up to a sixth of a small model's step, and depend on everything drawn before.
Here a process draws them with SFC64 (Doty-Humphrey's, as numpy has it), seeded anew for every
micro-batch, so a resumed training needs no state of it.
"""

import re
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

LEVELS = 2**16  # of the rate: 0.1 becomes 6554 / 65536


class SeededDropout(TorchFunctionMode):
    """Within it, `functional.dropout` and attention's dropout take their masks from a seed."""

    def __init__(self, seed: int, rank: int):
        super().__init__()
        self.seed, self.rank, self.step, self.index = seed, rank, -1, 0

    def of_micro_batch(self, step: int) -> Self:
        """Restart the masks for the next micro-batch of a step."""
        self.index = self.index + 1 if step == self.step else 0
        self.step = step
        self.generator = np.random.SFC64([self.seed, self.rank, step, self.index])
        return self

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.dropout:
            return self.dropout(*args, **kwargs)
        if func is functional.scaled_dot_product_attention and kwargs.get("dropout_p"):
            return self.attention(*args, **kwargs)
        return func(*args, **kwargs)

    def dropout(
        self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        """Replace `torch.nn.functional.dropout` (Srivastava et al. 2014)."""
        drop_below = round(p * LEVELS)
        if not training or not drop_below:
            return input
        output = input * self.mask(input, drop_below)
        return input.copy_(output) if inplace else output

    def mask(self, like: Tensor, drop_below: int) -> Tensor:
        """Draw 0 with probability `drop_below / LEVELS`, else the inverse of its complement."""
        count = like.numel()
        drawn = self.generator.random_raw(-(-count // 4)).view(np.uint16)[:count]
        mask = torch.from_numpy(drawn >= drop_below).view(like.shape).to(like.dtype)
        return mask.mul_(LEVELS / max(LEVELS - drop_below, 1))

    def attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """Replace `torch.nn.functional.scaled_dot_product_attention`, which draws its own masks."""
        if enable_gqa:
            groups = query.shape[-3] // key.shape[-3]
            key, value = (x.repeat_interleave(groups, -3) for x in (key, value))
        scores = query @ key.transpose(-2, -1) * (scale or query.shape[-1] ** -0.5)
        if is_causal:
            attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, torch.finfo(scores.dtype).min)
        elif attn_mask is not None:
            scores = scores + attn_mask
        return self.dropout(scores.softmax(-1), dropout_p) @ value


def has_dropout(model: nn.Module) -> bool:
    """Check whether a network drops anything in training, by its modules or its config."""
    config = getattr(model, "config", None)
    rates = [] if config is None else config.to_dict().items()
    return any(isinstance(m, nn.Dropout) and m.p > 0 for m in model.modules()) or any(
        re.search("drop", name) and isinstance(rate, float) and rate > 0 for name, rate in rates
    )
