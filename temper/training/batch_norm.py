"""Averaged weights → the means and variances of their batch normalizations."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from temper.models import loading
from temper.training import losses, networks

if TYPE_CHECKING:
    from temper.training.session import TrainingSession

STATISTIC = ".running_mean"


def recompute_statistics(folder: Path, changed: set[str], session: "TrainingSession") -> None:
    """Compute the means and variances of batch normalizations anew, in a folder's model.

    Averaged weights have other activations than each of theirs (Izmailov et al. 2018). The training
    rows are read once, in the order of the first epoch, as many together as in an evaluation.

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
    rows = np.concatenate(session.sampler.global_batches(0))
    for batch in np.array_split(rows, -(-len(rows) // session.params.per_device_eval_batch_size)):
        inputs = session.rows.batch(batch.tolist())
        for name in ("labels", *losses.TARGETS):
            inputs.pop(name, None)
        with torch.no_grad(), session.autocast():
            network(**{name: values.to(session.args.device) for name, values in inputs.items()})
    networks.save(network, folder)
