"""One step and one evaluation before any training → whether they fit in memory and are numbers."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from stages.errors import InputError
from stages.training import batching, losses, memory

if TYPE_CHECKING:
    from stages.training.course import Course


def probe(course: "Course") -> None:
    """Try the longest batch and one evaluation batch, and leave no trace.

    Raises:
        InputError: the loss of the untrained model is not a number.
        OutOfMemory: they do not fit on some process's device.
    """
    loss, reason = torch.tensor(0.0), ""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            loss = try_longest(course)
        except Exception as error:
            if not memory.is_exhausted(error):
                raise
            reason = str(error)[:200]
    course.model.zero_grad()
    if course.anyone(bool(reason)):
        raise memory.OutOfMemory(reason or "on another process", agreed=True)
    if not torch.isfinite(loss):
        raise InputError(f"the loss of the first batch is {float(loss)}, before any training")


def try_longest(course: "Course") -> Any:
    """Return the loss of the longest rows, with as much memory taken as a step will take."""
    job, network = course.job, course.model
    size, device = course.args.per_device_train_batch_size, course.args.device
    longest = np.argsort(-course.sampler.lengths, kind="stable")[:size].tolist()
    longest += [batching.FILLER] * (size - len(longest))
    batch = batching.tensors(job.collate, course.rows.__getitems__(longest))
    batch = {name: values.to(device) for name, values in batch.items()}
    trained = [p for p in network.parameters() if p.requires_grad]
    moments = [torch.zeros_like(p) for p in trained for _ in range(2)]  # AdamW will want them
    network.to(device).train()
    with course.accelerator.autocast():
        loss = course.loss(network, batch, losses.valid(batch["labels"]).sum().clamp(min=1))
    loss.backward()
    del moments
    if job.validation is not None:
        first = job.validation.select(range(min(size, len(job.validation))))
        course.outputs(course.scored_model(), first, 0)  # no process waits for another here
    return loss.detach()
