"""A training session from its newest checkpoint to its last step, by the loop of an engine."""

import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers.trainer_utils import set_seed

from temper.core.errors import InputError
from temper.training import averaging, batching, checkpoint, losses, memory
from temper.training.history import History
from temper.training.session import TrainingSession


def fit(session: TrainingSession, train: Callable[[Path | None], object]) -> None:
    """Train to the end, from the newest complete checkpoint if there is one.

    Args:
        session: the training.
        train: the engine's loop, given the checkpoint to resume from.

    Raises:
        SystemExit: 143 after SIGTERM, once a checkpoint is written.
        InputError: the disk has no room for the checkpoints.
        OutOfMemory: a batch does not fit; `agreed` where all ranks raise it.
    """
    previous = signal.signal(signal.SIGTERM, lambda *_: setattr(session, "terminated", True))
    try:
        _start_or_resume(session, train)
        stopped = session.any_rank_terminated()
    except Exception as error:
        if not memory.is_out_of_memory(error):
            raise
        alone = session.args.world_size > 1  # the other ranks wait for this one
        raise memory.OutOfMemory(str(error)[:200], agreed=not alone) from None
    finally:
        signal.signal(signal.SIGTERM, previous)
    if stopped:
        step = session.state.global_step
        print(f"stopped by SIGTERM at step {step}; the same command goes on", file=sys.stderr)
        sys.exit(143)


def _start_or_resume(session: TrainingSession, train: Callable[[Path | None], object]) -> None:
    folder = session.setup.folder
    newest = checkpoint.newest(folder)
    if newest is None:
        size = (checkpoint.KEPT + 1) * session.checkpoint_size()
        if shutil.disk_usage(folder).free < size:
            raise checkpoint.no_room(folder, "checkpoints", size, "before any step")
        rehearse(session)
        set_seed(session.setup.seed)
    else:
        session.history = History.load(newest / "history.json")
        averaging.load(session.average, newest)
        print(f"resuming from step {checkpoint.step_of(newest)}", file=sys.stderr)
        if checkpoint.step_of(newest) >= session.total_steps or session.is_stopped():
            return
    train(newest)


def rehearse(session: TrainingSession) -> None:
    """Try the longest batch and one evaluation batch, and leave no trace.

    Raises:
        InputError: the loss of the untrained model is not a number.
        OutOfMemory: they do not fit on some process's device.
    """
    loss, reason = torch.tensor(0.0), ""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        try:
            loss = try_longest(session)
        except Exception as error:
            if not memory.is_out_of_memory(error):
                raise
            reason = str(error)[:200]
    session.model.zero_grad()
    if session.any_rank(bool(reason)):
        raise memory.OutOfMemory(reason or "on another process", agreed=True)
    if not torch.isfinite(loss):
        raise InputError(f"the loss of the first batch is {float(loss)}, before any training")


def try_longest(session: TrainingSession) -> torch.Tensor:
    """Return the loss of the longest rows, with as much memory taken as a step will take."""
    setup, network = session.setup, session.model
    size, device = session.args.per_device_train_batch_size, session.args.device
    longest = np.argsort(-session.sampler.lengths, kind="stable")[:size].tolist()
    longest += [batching.PADDING_ROW] * (size - len(longest))
    batch = batching.tensors(setup.collate, session.rows.__getitems__(longest))
    batch = {name: values.to(device) for name, values in batch.items()}
    trained = [p for p in network.parameters() if p.requires_grad]
    moments = [torch.zeros_like(p) for p in trained for _ in range(2)]  # AdamW will want them
    network.to(device).train()
    with session.accelerator.autocast():
        loss = session.loss(network, batch, losses.valid(batch["labels"]).sum().clamp(min=1))
    loss.backward()
    del moments
    if setup.validation is not None:
        first = setup.validation.select(range(min(size, len(setup.validation))))
        session.outputs(session.scored_model(), first, 0)  # no process waits for another here
    return loss.detach()
