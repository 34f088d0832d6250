"""Engine `loop`: the training loop written out with Accelerate. Edit it to take control.

Everything else is in `TrainingSession`: what a batch is, its loss, when to evaluate, save and stop.
The events are transformers' own, so callbacks and reporters work as with the Trainer. In bf16 on
one GPU steps are recorded as CUDA graphs where they can be (`temper/training/recorded_steps.py`).
"""

import pickle
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from safetensors.torch import load_file
from torch import nn
from transformers import DefaultFlowCallback, TrainerControl
from transformers.trainer_callback import CallbackHandler

from temper.core import artifacts
from temper.core.errors import InputError, first_line
from temper.training import checkpoint, memory, recorded_steps
from temper.training.callbacks import FlowControlCallback
from temper.training.optimizer import build_lr_scheduler
from temper.training.recorded_steps import RecordedSteps
from temper.training.resume import fit
from temper.training.row_table import NotRecordable
from temper.training.session import Tensors, TrainingSession

SCHEDULER_FILE = "scheduler.json"


def run(session: TrainingSession) -> None:
    """Train with the loop below, or with recorded steps."""
    loop = AccelerateLoop(session)
    fit(session, lambda resume_from: fastest(loop).train(resume_from))


def fastest(loop: "AccelerateLoop") -> "AccelerateLoop":
    """Return the loop with recorded steps where the session allows it; say which it is on a GPU.

    Raises:
        InputError: `train.compile` is on, and the steps cannot be recorded.
    """
    params, reason = loop.session.setup.params, "there is no GPU"
    if loop.accelerator.device.type == "cuda":
        reason = recorded_steps.obstacle(loop.session)
        if reason is None:
            try:
                loop = RecordedLoop(loop)
            except NotRecordable as error:
                reason = str(error)
        if loop.accelerator.is_main_process:
            how = "recorded as CUDA graphs, with weights in bf16"
            how = f"kernel by kernel, not as CUDA graphs: {reason}" if reason else how
            print(f"steps: {how}", file=sys.stderr)
    if params.compile and reason:
        raise InputError(f"train.compile: only recorded steps are compiled; {reason}: remove it")
    return loop


class AccelerateLoop:
    """Model, optimizer and scheduler of a session, and the loop over its steps."""

    def __init__(self, session: TrainingSession):
        self.session, self.args, params = session, session.args, session.setup.params
        device = session.args.device  # also starts torch.distributed, before Accelerator looks
        self.accelerator = session.accelerator = Accelerator(
            mixed_precision="no" if params.precision == "fp32" else params.precision,
            cpu=device.type == "cpu",
            step_scheduler_with_optimizer=False,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=False)],
        )
        self.optimizer: Any = session.setup.build_optimizer(session.model, params)
        self.lr_scheduler: Any = build_lr_scheduler(self.optimizer, params, session.total_steps)

    def train(self, resume_from: Path | None) -> None:
        """Run the remaining steps.

        Args:
            resume_from: a checkpoint; None: from the start.
        """
        session, state = self.session, self.session.state
        self._prepare(resume_from)
        steps_per_epoch = session.steps_per_epoch
        self._call_event("on_train_begin")
        while state.global_step < state.max_steps and not self.control.should_training_stop:
            epoch, done = divmod(state.global_step, steps_per_epoch)
            state.epoch = epoch + done / steps_per_epoch
            self._call_event("on_epoch_begin")
            for micro_batches in self._global_batches(skip=done):
                self._call_event("on_step_begin")
                metrics = self.step(micro_batches)
                state.global_step += 1
                state.epoch = state.global_step / steps_per_epoch
                self._call_event("on_step_end")
                self._log_evaluate_save(metrics)
                if self.control.should_training_stop or state.global_step == state.max_steps:
                    break
            self._call_event("on_epoch_end")
            self._save_if_due()
        self._call_event("on_train_end")

    def _prepare(self, resume_from: Path | None) -> None:
        """Wrap model and optimizer for the device, restore a checkpoint and collect callbacks."""
        session, state = self.session, self.session.state
        self._prepare_model()
        state.max_steps = session.total_steps
        state.is_world_process_zero = self.accelerator.is_main_process
        if resume_from is not None:
            self._load_state(resume_from)
            state.global_step = checkpoint.step_of(resume_from)
        callbacks = [
            DefaultFlowCallback,
            *session.setup.callbacks,
            FlowControlCallback(session),
        ]
        self.callback_handler = CallbackHandler(
            callbacks, session.model, None, self.optimizer, self.lr_scheduler
        )
        self.control = TrainerControl()

    def _prepare_model(self) -> None:
        self.model, self.optimizer = self.accelerator.prepare(self.session.model, self.optimizer)
        self.accelerator.register_load_state_pre_hook(load_weights_on_xla)

    def _load_state(self, folder: Path) -> None:
        """Restore weights, optimizer, scheduler and random states.

        Raises:
            InputError: recorded steps wrote the checkpoint, or something else did.
        """
        if not (folder / SCHEDULER_FILE).exists():
            raise other_kind_of_steps(folder)
        try:
            self.accelerator.load_state(str(folder))
        except (pickle.UnpicklingError, RuntimeError) as error:
            if memory.is_out_of_memory(error):
                raise
            raise InputError(
                f"{folder} is no checkpoint of this training ({first_line(error):.200}): remove "
                "it, and training resumes from the one before"
            ) from error
        self.lr_scheduler.load_state_dict(artifacts.read_json(folder / SCHEDULER_FILE))

    def _save_state(self, folder: Path) -> None:
        self.accelerator.save_state(str(folder), safe_serialization=True)
        if self.args.should_save:
            state = self.lr_scheduler.state_dict()
            state = {k: state[k] for k in ("last_epoch", "_step_count", "_last_lr")}
            artifacts.write_json(folder / SCHEDULER_FILE, state | {"lr_lambdas": []})

    def step(self, micro_batches: Sequence[Tensors]) -> dict[str, Any]:
        """Make one optimizer step from this process's micro-batches of a global batch."""
        self.model.train()
        self._seed_xla()
        loss = self._backward(micro_batches)
        # without a limit, infinity measures the norm and clips nothing
        max_norm = self.session.setup.params.max_grad_norm or float("inf")
        grad_norm = self.accelerator.clip_grad_norm_(self.model.parameters(), max_norm)
        learning_rate = self.lr_scheduler.get_last_lr()[0]
        self._call_event("on_pre_optimizer_step")
        self.optimizer.step()
        self._call_event("on_optimizer_step")
        if not self.accelerator.optimizer_step_was_skipped:  # fp16, when the loss scale overflowed
            self.lr_scheduler.step()
        self.optimizer.zero_grad()
        loss = self.accelerator.reduce(loss, "mean")
        return {"loss": loss, "grad_norm": grad_norm, "learning_rate": learning_rate}

    def _backward(self, micro_batches: Sequence[Tensors]) -> torch.Tensor:
        """Accumulate the gradients of the micro-batches; return their summed loss."""
        session, device = self.session, self.accelerator.device
        num_items = session.num_items_in_batch(micro_batches, device)
        total_loss = torch.zeros((), device=device)
        for i, micro_batch in enumerate(micro_batches, 1):
            is_last = i == len(micro_batches)
            inputs = {
                name: values.to(device, non_blocking=True) for name, values in micro_batch.items()
            }
            with self._gradients_reduced_if(is_last):
                loss = session.compute_loss(self.model, inputs, num_items)
                self.accelerator.backward(loss)
            total_loss += loss.detach()
            session.state.total_flos += session.flops(inputs)
            if not is_last:
                self._call_event("on_substep_end")
        return total_loss

    def _seed_xla(self) -> None:
        """Make a step's dropout on an XLA device depend on (seed, step) alone.

        Its generator advances with every graph that is run. Saving a checkpoint runs one, and a
        resumed training does not run those of the checkpoints before it.
        """
        if self.accelerator.device.type == "xla":
            step = self.session.state.global_step
            import_module("torch_xla.core.xla_model").set_rng_state(self.args.seed + (step << 32))

    def _global_batches(self, skip: int) -> Iterator[tuple[Tensors, ...]]:
        """Yield the micro-batches of each global batch of the epoch after the first `skip`."""
        size = self.args.gradient_accumulation_steps
        micro_batches = islice(iter(self.session.train_dataloader()), skip * size, None)
        return zip(*[micro_batches] * size, strict=True)

    def _gradients_reduced_if(self, is_last: bool) -> AbstractContextManager:
        """Reduce gradients over the processes with the last micro-batch only."""
        return nullcontext() if is_last else self.accelerator.no_sync(self.model)

    def _log_evaluate_save(self, metrics: dict[str, Any]) -> None:
        self._log(metrics)
        if self.control.should_evaluate:
            scores = self.session.evaluate()
            self._call_event("on_log", {f"eval_{name}": value for name, value in scores.items()})
            self._call_event("on_evaluate", scores)
        self._save_if_due()

    def _log(self, metrics: dict[str, Any]) -> None:
        self._call_event("on_log", {name: float(value) for name, value in metrics.items()})

    def _save_if_due(self) -> None:
        if self.control.should_save:
            self.session.save_checkpoint(self._save_state)
            self._call_event("on_save")

    def _call_event(self, event: str, *arguments: Any) -> None:
        """Call an event of every callback; a callback may change `control`."""
        method = getattr(self.callback_handler, event)
        self.control = method(self.args, self.session.state, self.control, *arguments)


def load_weights_on_xla(models: list[nn.Module], folder: str) -> None:
    """Load weights onto an XLA device, which safetensors cannot; accelerate loads the rest."""
    if next(models[0].parameters()).device.type == "xla":
        state = load_file(Path(folder, "model.safetensors"))
        models.pop().load_state_dict(state, strict=False)  # tied tensors are saved under one name


class RecordedLoop(AccelerateLoop):
    """The loop with recorded steps, whose loss and gradient norm are read a few times per epoch.

    Raises:
        NotRecordable: the steps cannot be recorded; the session is as it was.
    """

    def __init__(self, loop: AccelerateLoop):
        self.session, self.args, self.accelerator = loop.session, loop.args, loop.accelerator
        self.optimizer, self.lr_scheduler = loop.optimizer, loop.lr_scheduler
        bases = list(zip(self.lr_scheduler.base_lrs, self.lr_scheduler.lr_lambdas, strict=True))
        steps = range(self.session.total_steps)
        rates = torch.tensor([[base * factor(i) for base, factor in bases] for i in steps])
        self.recorded = RecordedSteps(
            self.session, self.accelerator, self.optimizer.param_groups, rates
        )

    def _prepare_model(self) -> None:
        """Do nothing: model and optimizer are ready."""

    def _load_state(self, folder: Path) -> None:
        if not (folder / recorded_steps.STATE_FILE).exists():
            raise other_kind_of_steps(folder)
        self.recorded.load(folder)

    def _save_state(self, folder: Path) -> None:
        self.recorded.save(folder)

    def _global_batches(self, skip: int) -> Iterator[int]:
        return self.recorded.global_batches(skip)

    def step(self, length: int) -> dict[str, Any]:
        """Start a step on a batch of this padded length."""
        state = self.session.state
        state.total_flos += self.recorded.run(state.global_step, length)
        return {}

    def _log(self, metrics: dict[str, Any]) -> None:
        """Log the steps since the last time, when something is about to depend on them."""
        control, state, recorded = self.control, self.session.state, self.recorded
        acts = control.should_evaluate or control.should_save or control.should_training_stop
        if not acts and recorded.num_pending < recorded.log_every:
            return
        step, epoch = state.global_step, state.epoch
        for number, row in recorded.take_metrics(step):
            state.global_step, state.epoch = number, number / self.session.steps_per_epoch
            super()._log(row)
        state.global_step, state.epoch = step, epoch


def other_kind_of_steps(folder: Path) -> InputError:
    return InputError(
        f"{folder} was written by another kind of steps (CUDA graphs, or one kernel at a time): "
        f"remove {folder.parent} to train from the start"
    )
