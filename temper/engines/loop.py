"""Engine `loop`: the training loop written out with Accelerate. Edit it to take control.

Everything else is the `Course`'s: what a batch is, its loss, when to evaluate, save and stop. The
events are transformers' own, so callbacks and reporters work as with the Trainer.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from safetensors.torch import load_file
from transformers import DefaultFlowCallback, TrainerControl
from transformers.trainer_callback import CallbackHandler

from temper.training.callbacks import FlowControlCallback
from temper.training.fit import fit
from temper.training.optimizer import schedule
from temper.training.session import Tensors, TrainingSession


def run(session: TrainingSession) -> None:
    """Train with the loop below."""
    fit(session, AccelerateLoop(session).train)


class AccelerateLoop:
    """Model, optimizer and schedule of a course, and the steps they make."""

    def __init__(self, session: TrainingSession):
        self.session, self.args, p = session, session.args, session.setup.params
        device = session.args.device  # also sets up the processes, before Accelerator asks for them
        self.accelerator = session.accelerator = Accelerator(
            mixed_precision="no" if p.precision == "fp32" else p.precision,
            cpu=device.type == "cpu",
            step_scheduler_with_optimizer=False,
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=False)],
        )
        optimizer = session.setup.build_optimizer(session.model, p)
        self.schedule = schedule(optimizer, p, session.total_steps)
        self.optimizer = optimizer

    def train(self, found: Path | None) -> None:
        """Make every step that is left.

        Args:
            found: the checkpoint to go on from.
        """
        session, state = self.session, self.session.state
        self.model, self.optimizer = self.accelerator.prepare(session.model, self.optimizer)
        self.accelerator.register_for_checkpointing(self.schedule)
        self.accelerator.register_load_state_pre_hook(load_weights)
        state.max_steps, per_epoch = session.total_steps, session.steps_in("epoch")
        state.is_world_process_zero = self.accelerator.is_main_process
        if found is not None:
            self.accelerator.load_state(str(found))
            state.global_step = int(found.name.rsplit("-", 1)[1])
        self.events, self.control = self._events(), TrainerControl()
        self._tell("on_train_begin")
        while state.global_step < state.max_steps and not self.control.should_training_stop:
            epoch, done = divmod(state.global_step, per_epoch)
            state.epoch = epoch + done / per_epoch
            self._tell("on_epoch_begin")
            for micro_batches in self._batches(done):
                self._tell("on_step_begin")
                numbers = self.step(micro_batches)
                state.global_step += 1
                state.epoch = state.global_step / per_epoch
                self._tell("on_step_end")
                self._log_evaluate_save(numbers)
                if self.control.should_training_stop or state.global_step == state.max_steps:
                    break
            self._tell("on_epoch_end")
            self._save_if_due()
        self._tell("on_train_end")

    def step(self, micro_batches: Sequence[Tensors]) -> dict[str, Any]:
        """Make one optimizer step from this process's pieces of a global batch."""
        self.model.train()
        self._seed_xla()
        device, p = self.accelerator.device, self.session.setup.params
        num_labels, total = (
            self.session.num_labels(micro_batches, device),
            torch.zeros((), device=device),
        )
        for i, micro_batch in enumerate(micro_batches, 1):
            inputs = {
                name: values.to(device, non_blocking=True) for name, values in micro_batch.items()
            }
            with self._reduced_when(i == len(micro_batches)):
                loss = self.session.loss(self.model, inputs, num_labels)
                self.accelerator.backward(loss)
            total += loss.detach()
            self.session.state.total_flos += self.session.flops(inputs)
            if i < len(micro_batches):
                self._tell("on_substep_end")
        limit = p.max_grad_norm or float("inf")  # inf measures the norm and clips nothing
        grad_norm = self.accelerator.clip_grad_norm_(self.model.parameters(), limit)
        rate = self.schedule.get_last_lr()[0]
        self._tell("on_pre_optimizer_step")
        self.optimizer.step()
        self._tell("on_optimizer_step")
        if not self.accelerator.optimizer_step_was_skipped:  # fp16, at a scale that was too large
            self.schedule.step()
        self.optimizer.zero_grad()
        loss = self.accelerator.reduce(total, "mean")
        return {"loss": loss, "grad_norm": grad_norm, "learning_rate": rate}

    def _seed_xla(self) -> None:
        """Let a step's dropout on an XLA device depend on (seed, step) alone.

        Its generator moves on with every graph that is run, those of a checkpoint among them, which
        a resumed training does not run.
        """
        if self.accelerator.device.type == "xla":
            step = self.session.state.global_step
            import_module("torch_xla.core.xla_model").set_rng_state(self.args.seed + (step << 32))

    def _batches(self, done: int) -> Iterator[tuple[Tensors, ...]]:
        """Yield each global batch's pieces, from the batch after `done` on."""
        per_batch = self.args.gradient_accumulation_steps
        micro_batches = islice(iter(self.session.batches()), done * per_batch, None)
        return zip(*[micro_batches] * per_batch, strict=True)

    def _reduced_when(self, is_last: bool) -> Any:
        """Leave the processes' gradients apart until the last piece."""
        return self.accelerator.no_sync(self.model) if not is_last else nullcontext()

    def _log_evaluate_save(self, numbers: dict[str, Any]) -> None:
        self._tell("on_log", {name: float(value) for name, value in numbers.items()})
        if self.control.should_evaluate:
            found = self.session.evaluate()
            self._tell("on_log", {f"eval_{name}": value for name, value in found.items()})
            self._tell("on_evaluate", found)
        self._save_if_due()

    def _save_if_due(self) -> None:
        if self.control.should_save:
            self.session.save(self._write)
            self._tell("on_save")

    def _write(self, folder: Path) -> None:
        self.accelerator.save_state(str(folder), safe_serialization=True)

    def _events(self) -> CallbackHandler:
        mine = [
            DefaultFlowCallback,
            *self.session.setup.callbacks,
            FlowControlCallback(self.session),
        ]
        model = self.session.model
        return CallbackHandler(mine, model, None, self.optimizer, self.schedule)

    def _tell(self, event: str, *more: Any) -> None:
        """Call an event of every callback; they may set what happens next."""
        self.control = getattr(self.events, event)(
            self.args, self.session.state, self.control, *more
        )


def load_weights(models: list[Any], folder: str) -> None:
    """Load an XLA device's weights, which safetensors cannot; accelerate loads what is left."""
    if models[0].device.type == "xla":
        state = load_file(Path(folder, "model.safetensors"))
        models.pop().load_state_dict(state, strict=False)  # without the names of tied tensors
