"""Averaged weights → the means and variances of their batch normalizations."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from temper.models import loading
from temper.training import distributed, losses, networks

if TYPE_CHECKING:
    from temper.training.session import TrainingSession

STATISTIC = ".running_mean"
MAX_ROWS = 10_000  # whose means are within a hundredth of a standard deviation; other ranks wait


def recompute_statistics(folder: Path, changed: set[str], session: "TrainingSession") -> None:
    """Compute the means and variances of batch normalizations anew, in a folder's model.

    Averaged weights have other activations than each of theirs (Izmailov et al. 2018). The training
    rows are read once, at most some `MAX_ROWS`, in the batches of the first epoch, as many together
    as a device takes in training: so many have fit.

    Args:
        changed: names of tensors; those that a freeze kept are not among them, and stay.
        session: one of the trainings.
    """
    names = {name.removesuffix(STATISTIC) for name in changed if name.endswith(STATISTIC)}
    if not names:
        return
    network = loading.load(folder, session.task.auto_model, session.custom_class)
    networks.move(network, session.args.device)
    network.eval()
    norms: list[Any] = [module for name, module in network.named_modules() if name in names]
    for norm in norms:
        norm.train()
        norm.reset_running_stats()
        norm.momentum = None  # a mean over the batches
    session.sampler.set_epoch(0)
    num_parts, num_rows = session.args.gradient_accumulation_steps * distributed.world_size(), 0
    for rows in session.sampler.global_batches(0):
        # of a single row there may be no variance
        for part in np.array_split(rows, min(num_parts, max(1, len(rows) // 2))):
            inputs = session.rows.batch(part.tolist())
            for name in ("labels", *losses.TARGETS):
                inputs.pop(name, None)
            with torch.no_grad(), session.autocast():
                network(**{name: values.to(session.args.device) for name, values in inputs.items()})
        num_rows += len(rows)
        if num_rows >= MAX_ROWS:
            break
    networks.save(network, folder)
