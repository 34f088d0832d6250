"""Engine `loop`: the training loop written out with Accelerate. Edit it to take control.

Everything else is in `TrainingSession`: what a batch is, its loss, when to evaluate, save and stop.
The events are transformers' own, so callbacks and reporters work as with the Trainer. In bf16 on
one GPU steps are recorded as CUDA graphs where they can be (`temper/training/recorded_steps.py`).
"""

import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch.optim import Optimizer
from transformers import DefaultFlowCallback, TrainerControl, TrainerState
from transformers.trainer_callback import CallbackHandler

from temper.core import artifacts
from temper.core.errors import InputError, first_line
from temper.training import checkpoint, memory, recorded_steps, sharding
from temper.training.batching import Tensors
from temper.training.callbacks import FlowControlCallback
from temper.training.optimizer import build_lr_scheduler, build_optimizer
from temper.training.recorded_steps import Metrics, RecordedSteps
from temper.training.resume import fit
from temper.training.row_table import NotRecordable
from temper.training.session import TrainingSession

SCHEDULER_FILE = "scheduler.json"


def run(session: TrainingSession) -> None:
    """Train with the loop below."""
    fit(session, lambda resume_from: AccelerateLoop(session).train(resume_from))


class AccelerateLoop:
    """The loop over a session's steps, made by `PlainSteps` or by `RecordedSteps`."""

    def __init__(self, session: TrainingSession):
        self.session, self.args, params = session, session.args, session.params
        device = session.args.device  # also starts torch.distributed, before Accelerator looks
        self.accelerator = Accelerator(
            mixed_precision="no" if params.precision == "fp32" else params.precision,
            cpu=device.type == "cpu",
            step_scheduler_with_optimizer=False,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=False)],
        )
        optimizer = build_optimizer(session.model, params, session.custom_optimizer)
        scheduler: Any = build_lr_scheduler(
            optimizer, params, session.total_steps, session.custom_schedule
        )
        self.state, self.control = TrainerState(max_steps=session.total_steps), TrainerControl()
        self.state.is_world_process_zero = self.accelerator.is_main_process
        self.steps = fastest_steps(self, optimizer, scheduler)
        flow_control = FlowControlCallback(session, lambda logs: self.call_event("on_log", logs))
        callbacks = [DefaultFlowCallback, *session.callbacks, flow_control]
        self.callback_handler = CallbackHandler(
            callbacks, session.model, None, self.steps.optimizer, scheduler
        )

    def train(self, resume_from: Path | None) -> None:
        """Run the remaining steps, from a checkpoint or from the start."""
        state, steps_per_epoch = self.state, self.session.steps_per_epoch
        if resume_from is not None:
            self.steps.load(resume_from)
            state.global_step = checkpoint.step_of(resume_from)
        self.call_event("on_train_begin")
        while state.global_step < state.max_steps and not self.control.should_training_stop:
            epoch, done = divmod(state.global_step, steps_per_epoch)
            state.epoch = epoch + done / steps_per_epoch
            self.call_event("on_epoch_begin")
            for batch in self.steps.batches(skip=done):
                self.call_event("on_step_begin")
                state.total_flos += self.steps.run(state.global_step, batch)
                state.global_step += 1
                state.epoch = state.global_step / steps_per_epoch
                self.call_event("on_step_end")
                self.log()
                if self.control.should_evaluate:
                    self._evaluate()
                self._save_if_due()
                if self.control.should_training_stop or state.global_step == state.max_steps:
                    break
            self.call_event("on_epoch_end")
            self._save_if_due()
        self.call_event("on_train_end")

    def call_event(self, event: str, *arguments: Any) -> None:
        """Call an event of every callback; a callback may change `control`."""
        method = getattr(self.callback_handler, event)
        self.control = method(self.args, self.state, self.control, *arguments)

    def log(self) -> None:
        """Log the steps since the last time; all of them, if something is about to depend on it."""
        state, control = self.state, self.control
        flush = control.should_evaluate or control.should_save or control.should_training_stop
        step, epoch = state.global_step, state.epoch
        for number, metrics in self.steps.take_metrics(step, flush=flush):
            state.global_step, state.epoch = number, number / self.session.steps_per_epoch
            self.call_event("on_log", metrics)
        state.global_step, state.epoch = step, epoch

    def _evaluate(self) -> None:
        scores = self.session.evaluate(self.state)
        self.call_event("on_log", {f"eval_{name}": value for name, value in scores.items()})
        self.call_event("on_evaluate", scores)

    def _save_if_due(self) -> None:
        if self.control.should_save:
            self.session.save_checkpoint(self.state.global_step, self.steps.save)
            self.call_event("on_save")


def fastest_steps(
    loop: AccelerateLoop, optimizer: Optimizer, scheduler: Any
) -> "PlainSteps | RecordedSteps":
    """Return recorded steps where the session allows it; say which they are on a GPU.

    Raises:
        InputError: `train.compile` is on, and the steps cannot be recorded.
    """
    session, steps, reason = loop.session, None, "there is no GPU"
    if loop.accelerator.device.type == "cuda":
        reason = recorded_steps.obstacle(session)
        if reason is None:
            try:
                steps = RecordedSteps(session, optimizer, scheduler)
            except NotRecordable as error:
                reason = str(error)
        if loop.accelerator.is_main_process:
            how = "recorded as CUDA graphs, with weights in bf16"
            how = f"kernel by kernel, not as CUDA graphs: {reason}" if reason else how
            print(f"steps: {how}", file=sys.stderr)
    if session.params.compile and reason:
        raise InputError(f"train.compile: only recorded steps are compiled; {reason}: remove it")
    return steps or PlainSteps(session, loop.accelerator, optimizer, scheduler, loop.call_event)


class PlainSteps:
    """Steps made kernel by kernel, on any device and any number of processes."""

    def __init__(
        self,
        session: TrainingSession,
        accelerator: Accelerator,
        optimizer: Optimizer,
        scheduler: Any,
        call_event: Callable[[str], None],
    ):
        self.session, self.accelerator, self.scheduler = session, accelerator, scheduler
        is_sharded = session.without_weights is not None
        prepare = partial(sharding.prepare, accelerator) if is_sharded else accelerator.prepare
        self.model, self.optimizer = prepare(session.model, optimizer)
        self.call_event, self.metrics = call_event, {}
        if is_sharded or accelerator.device.type == "xla":  # where safetensors cannot load
            accelerator.register_load_state_pre_hook(sharding.load_weights)

    def load(self, folder: Path) -> None:
        """Restore weights, optimizer, scheduler and random states from a checkpoint.

        Raises:
            InputError: recorded steps wrote the checkpoint, or something else did.
        """
        if not (folder / SCHEDULER_FILE).exists():
            raise recorded_steps.other_kind_of_steps(folder)
        try:
            self.accelerator.load_state(str(folder))
        except (pickle.UnpicklingError, RuntimeError) as error:
            if memory.is_out_of_memory(error):
                raise
            raise InputError(
                f"{folder} is no checkpoint of this training ({first_line(error):.200}): remove "
                "it, and training resumes from the one before"
            ) from error
        self.scheduler.load_state_dict(artifacts.read_json(folder / SCHEDULER_FILE))

    def save(self, folder: Path) -> None:
        self.accelerator.save_state(str(folder), safe_serialization=True)
        if self.accelerator.is_main_process:
            state = self.scheduler.state_dict()
            state = {k: state[k] for k in ("last_epoch", "_step_count", "_last_lr")}
            artifacts.write_json(folder / SCHEDULER_FILE, state | {"lr_lambdas": []})

    def batches(self, skip: int) -> Iterator[Any]:
        """Yield the micro-batches of each global batch of the epoch after the first `skip`."""
        size = self.session.args.gradient_accumulation_steps
        micro_batches = islice(iter(self.session.rows.dataloader()), skip * size, None)
        return zip(*[micro_batches] * size, strict=True)

    def run(self, step: int, batch: Sequence[Tensors]) -> float:
        """Make a step, counted from 0, from this process's micro-batches; return its flops."""
        self.model.train()
        self._seed_xla(step)
        loss, flops = self.backward(step, batch)
        # without a limit, infinity measures the norm and clips nothing
        max_norm = self.session.params.max_grad_norm or float("inf")
        grad_norm = self.accelerator.clip_grad_norm_(self.model.parameters(), max_norm)
        learning_rate = self.scheduler.get_last_lr()[0]
        self.call_event("on_pre_optimizer_step")
        self.optimizer.step()
        self.call_event("on_optimizer_step")
        if not self.accelerator.optimizer_step_was_skipped:  # fp16, when the loss scale overflowed
            self.scheduler.step()
        self.optimizer.zero_grad()
        loss = self.accelerator.reduce(loss, "mean")
        self.metrics = {"loss": loss, "grad_norm": grad_norm, "learning_rate": learning_rate}
        return flops

    def backward(self, step: int, batch: Sequence[Tensors]) -> tuple[torch.Tensor, float]:
        """Accumulate the gradients of the micro-batches; return their summed loss, and flops."""
        session, device = self.session, self.accelerator.device
        num_labels = session.rows.num_labels(batch, device)
        total_loss, flops = torch.zeros((), device=device), 0.0
        for i, micro_batch in enumerate(batch, 1):
            is_last = i == len(batch)  # gradients are reduced over the processes with it only
            inputs = {
                name: values.to(device, non_blocking=True) for name, values in micro_batch.items()
            }
            with nullcontext() if is_last else self.accelerator.no_sync(self.model):
                loss = session.compute_loss(self.model, inputs, num_labels, step)
                self.accelerator.backward(loss)
            total_loss += loss.detach()
            flops += session.flops(inputs)
            if not is_last:
                self.call_event("on_substep_end")
        return total_loss, flops

    def take_metrics(self, step: int, *, flush: bool) -> list[tuple[int, Metrics]]:
        """Return the number of the last step, from 1, and its metrics."""
        return [(step, {name: float(value) for name, value in self.metrics.items()})]

    def _seed_xla(self, step: int) -> None:
        """Make a step's dropout on an XLA device depend on (seed, step) alone.

        Its generator advances with every graph that is run. Saving a checkpoint runs one, and a
        resumed training does not run those of the checkpoints before it.
        """
        if self.accelerator.device.type == "xla":
            seed = self.session.seed + (step << 32)
            import_module("torch_xla.core.xla_model").set_rng_state(seed)
