"""Trained weights → one fp32 tensor per optimizer group, their bf16 copies, and AdamW on them.

With a group in one tensor, gathering gradients, their norm and AdamW are a handful of kernels
instead of several per weight.
"""

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from temper.params.train import TrainParams

DTYPE = torch.bfloat16  # of the network that computes
ALIGNMENT = 16  # elements: each weight begins at a multiple of 32 bytes, for matrix kernels


@dataclass(frozen=True)
class FlatGroup:
    """An optimizer group as flat tensors of one size.

    Attributes:
        master: fp32 weights, of which those of the model are views.
        low: the weights the network computes with.
        gradient: of `low`.
        exp_avg: AdamW's first moment, fp32.
        exp_avg_sq: its second moment, fp32.
        weight_decay: of all weights of the group.
    """

    master: Tensor
    low: Tensor
    gradient: Tensor
    exp_avg: Tensor
    exp_avg_sq: Tensor
    weight_decay: float


class FlatWeights:
    """Weights, moments and gradients of all groups.

    Args:
        model: on its device; its trained weights become views of the flat ones.

    Attributes:
        compute_model: a copy of the model with weights in `DTYPE`.
    """

    def __init__(self, model: nn.Module, groups: list[dict[str, Any]], params: "TrainParams"):
        self.params, self.dtype, self.update_group = params, DTYPE, adamw_
        self.compute_model: Any = copy.deepcopy(model).to(DTYPE).train()
        self.twins: list[nn.Parameter] = []
        self.gradient_views: list[Tensor] = []
        names = {id(p): name for name, p in model.named_parameters()}
        twins = dict(self.compute_model.named_parameters())
        self.groups = [
            self._flatten([(p, twins[names[id(p)]]) for p in g["params"]], g["weight_decay"])
            for g in groups
        ]
        self.refresh()

    def _flatten(
        self, pairs: list[tuple[nn.Parameter, nn.Parameter]], weight_decay: float
    ) -> FlatGroup:
        """Put weights and their twins in `compute_model` into flat tensors."""
        sizes = [-(-p.numel() // ALIGNMENT) * ALIGNMENT for p, _ in pairs]
        device = pairs[0][0].device if pairs else None
        master = torch.zeros(sum(sizes), device=device)
        low, gradient = torch.zeros_like(master, dtype=DTYPE), torch.zeros_like(master, dtype=DTYPE)
        start = 0
        for (p, twin), size in zip(pairs, sizes, strict=True):
            span = slice(start, start + p.numel())
            master[span] = p.data.flatten()
            p.data, twin.data = master[span].view_as(p), low[span].view_as(p)
            self.twins.append(twin)
            self.gradient_views.append(gradient[span].view_as(p))
            start += size
        moments = torch.zeros_like(master), torch.zeros_like(master)
        return FlatGroup(master, low, gradient, *moments, weight_decay)

    def refresh(self) -> None:
        """Round the fp32 weights to the ones the network computes with."""
        for group in self.groups:
            group.low.copy_(group.master)

    def update(self, rates: Tensor, bias_corrections: Tensor) -> Tensor:
        """Make an AdamW step from the gradients of `compute_model`; return their norm, ().

        Args:
            rates: learning rates, (groups,).
            bias_corrections: see `bias_corrections`, (2,).
        """
        torch._foreach_copy_(  # pyright: ignore[reportPrivateImportUsage]
            self.gradient_views, [p.grad for p in self.twins if p.grad is not None]
        )
        params, groups = self.params, self.groups
        norms = [torch.linalg.vector_norm(g.gradient, dtype=torch.float32) for g in groups]
        norm, limit = torch.linalg.vector_norm(torch.stack(norms)), params.max_grad_norm
        scale = (limit / (norm + 1e-6)).clamp(max=1.0) if limit else torch.ones_like(norm)
        options = (params.adam_beta1, params.adam_beta2, params.adam_epsilon)
        for group, rate in zip(groups, rates, strict=True):
            if len(group.master):
                self.update_group(group, rate, bias_corrections, scale, *options)
        return norm

    def drop_gradients(self) -> None:
        """Let the next backward pass allocate gradients, rather than add to these."""
        for twin in self.twins:
            twin.grad = None

    def state(self) -> dict[str, Tensor]:
        """Return everything that a resume needs, by name."""
        names = ("master", "exp_avg", "exp_avg_sq")
        return {f"{n}.{i}": getattr(g, n) for i, g in enumerate(self.groups) for n in names}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go back to an earlier `state`, whose tensors are copied."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
        self.refresh()


def bias_corrections(params: "TrainParams", num_steps: int) -> Tensor:
    """Return 1 - beta^t of both moments for t = 1 to `num_steps`, (steps, 2).

    In fp32 it would be off by 6e-5 for the first steps of a beta of 0.999.
    """
    betas = torch.tensor([params.adam_beta1, params.adam_beta2], dtype=torch.float64)
    return (1 - betas ** torch.arange(1, num_steps + 1)[:, None]).float()


def adamw_(
    group: FlatGroup,
    rate: Tensor,
    bias_corrections: Tensor,
    scale: Tensor,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> None:
    """Update a group in place, as torch.optim.AdamW does (Loshchilov & Hutter 2019).

    Args:
        group: its gradient is multiplied by `scale`, ().
        bias_corrections: of the two moments, (2,).
    """
    gradient = group.gradient.float() * scale
    weights = group.master * (1 - rate * group.weight_decay)
    exp_avg = group.exp_avg + (gradient - group.exp_avg) * (1 - beta1)
    exp_avg_sq = group.exp_avg_sq * beta2 + gradient * gradient * (1 - beta2)
    denominator = (exp_avg_sq / bias_corrections[1]).sqrt() + epsilon
    weights = weights - rate / bias_corrections[0] * exp_avg / denominator
    group.exp_avg.copy_(exp_avg)
    group.exp_avg_sq.copy_(exp_avg_sq)
    group.master.copy_(weights)
    group.low.copy_(weights)
