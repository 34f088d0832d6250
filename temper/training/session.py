"""What both engines share: batches, losses, evaluations and checkpoints, without the step loop.

The loop is the engine's: that of Hugging Face's Trainer (`temper/engines/trainer.py`), or one
written out with Accelerate (`temper/engines/loop.py`). Both call `FlowControlCallback` after each
step, so they evaluate, save and stop at the same steps.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from transformers import TrainerState

from temper.core.errors import InputError
from temper.params.schema import Params
from temper.tasks.base import registry
from temper.training import (
    averaging,
    checkpoint,
    custom_functions,
    distributed,
    losses,
    memory,
    networks,
    optimizer,
    setup,
    sharding,
)
from temper.training.batching import Tensors, TrainingRows
from temper.training.history import History, Row, history_row
from temper.training.validator import Validator

if TYPE_CHECKING:
    from datasets import DatasetDict

OnMetrics = Callable[[str, dict[str, float], int], None]  # (train | validation, metrics, step)


class TrainingSession:
    """One training run, from the first batch to the last checkpoint, without the step loop.

    Args:
        on_metrics: receives the metrics of each step and evaluation, for console and tracker.
        seed: of everything but new weights, which are drawn from `parameters.seed`.

    Attributes:
        model: the network, not wrapped for several processes.
        ema: its exponential moving average, if `train.weight_averaging` asks for one.
        padded_length: maps a batch's longest row to its padded length; None: all have one shape.
        without_weights: a copy of a sharded model to gather weights into; None: it is not sharded.
        validator: scores the validation split; None: there is nothing to evaluate.
        num_steps: made by this process, which may have resumed others.
        total_flos: of the training so far.
        stop_signal: SIGTERM or SIGINT, if this process got it, or else 0.

    Raises:
        InputError: parameters, data, base model and custom functions do not fit together.
    """

    def __init__(
        self,
        parameters: Params,
        data: "DatasetDict",
        base: Path,
        folder: Path,
        on_metrics: OnMetrics,
        seed: int,
    ):
        parameters = setup.with_padding_multiple(parameters)
        params, train = parameters.train, data["train"]
        self.params, self.folder, self.seed, self.on_metrics = params, folder, seed, on_metrics
        self.num_steps, self.total_flos, self.stop_signal = 0, 0.0, 0
        self.args = setup.training_arguments(parameters, seed, folder)
        self.task = registry.load(parameters, train.features)
        validation = setup.labelled_validation(params, data, self.task)
        processor, config = setup.open_base(base, self.task, train.features)
        self.task = self.task.for_model(config)
        is_crf = networks.has_crf(config, parameters)
        self.loss_function = setup.build_loss_function(parameters, train, self.task, is_crf=is_crf)
        collator = setup.build_collator(parameters, self.task, processor, config)
        self.padded_length = self.task.padded_length
        self.sampler = setup.build_sampler(train, parameters, self.args, seed)
        self.args.max_steps = self.total_steps
        self.rows = TrainingRows(train, self.sampler, collator)
        self.autocast, self.validator = setup.autocast(params, self.args.device), None
        if validation is not None:
            collator = self.task.collator(processor, config)
            self.validator = Validator(validation, self.task, collator, parameters, self.autocast)
        self.history = History(params, setup.greater_is_better(parameters))
        self.callbacks = setup.callbacks(parameters, folder.name)
        self.custom_optimizer = custom_functions.optimizer(parameters)
        self.custom_class = custom_functions.model_class(parameters)
        self.custom_schedule = custom_functions.lr_schedule(parameters)
        self.model = setup.build_network(base, self.task, train, parameters, self.args.device)
        self.ema = averaging.build_ema(self.model, params.weight_averaging)
        self.dropout = setup.build_dropout(self.model, params, self.args, seed)
        self.flops = networks.flops_counter(self.model, self.args.world_size)
        self.checkpoints = checkpoint.CheckpointWriter(folder, self.model)
        optimizer.check(self.model, params, self.total_steps)
        self.without_weights = sharding.shard_network(self.model, params, self.args.device)

    def compute_loss(
        self,
        network: Callable[..., Any],
        micro_batch: Tensors,
        num_items_in_batch: torch.Tensor,
        step: int,
    ) -> torch.Tensor:
        """Compute a micro-batch's share of the global batch's loss, times the number of processes.

        The average of gradients over the processes cancels that factor. With R-Drop every row is
        passed twice. The masks of dropout depend on `step`, which counts from 0.
        """
        inputs, labels = dict(micro_batch), micro_batch["labels"]
        del inputs["labels"]
        targets = {name: inputs.pop(name) for name in losses.TARGETS if name in inputs}
        if self.params.r_drop_alpha:
            inputs = {name: torch.cat([values, values]) for name, values in inputs.items()}
        with self.dropout.of_micro_batch(step) if self.dropout else nullcontext():
            outputs = network(**inputs)
        logits = self.task.logits(outputs, inputs)
        loss = self.loss_function(logits, labels, **targets, **losses.loss_kwargs(outputs))
        return loss / num_items_in_batch * self.args.world_size

    @cached_property
    def padding_share(self) -> float | None:
        """The share of the first epoch's tokens that is padding; None: all rows have one shape."""
        return self.padded_length and self.sampler.padding_share(self.padded_length)

    # -- steps and evaluations ---------------------------------------------------------------

    def record_step(self, state: TrainerState, metrics: Row) -> None:
        """Add an optimizer step's loss, learning_rate and grad_norm to the history.

        Raises:
            InputError: the loss or the gradient is not finite, or the loss is above
                `train.max_loss`; nothing is saved any more.
        """
        limits = {"loss": self.params.max_loss or np.inf}
        if self.params.precision != "fp16":  # which skips steps whose gradient is not finite
            limits["grad_norm"] = np.inf
        for name, limit in limits.items():
            if not np.isfinite(metrics[name]) or metrics[name] > limit:
                raise self._diverged(name, metrics[name], state.global_step)
        self.num_steps, self.total_flos = self.num_steps + 1, float(state.total_flos)
        self._record("train", state, metrics)

    def evaluate(self, state: TrainerState) -> Row:
        """Score the validation split, every row once, and save the weights if they are the best."""
        assert self.validator is not None
        step, rows = state.global_step, self.history.validation
        metrics = self.validator.score(self.eval_model)
        self.model.train()
        if not rows or rows[-1]["step"] != step:
            self._record("validation", state, metrics)
            if self.history.best_step() == step:
                self.save_weights(f"best-{step}")
            if step in self.history.averaged_steps():
                self.save_weights(f"scored-{step}")
        return metrics

    @property
    def eval_model(self) -> nn.Module:
        """The network that is evaluated and saved: the moving average if there is one."""
        return self.model if self.ema is None else self.ema.module

    def record_untrained(self, metrics: Row) -> None:
        """Make the metrics of a part of validation, before training, step 0 of the history."""
        self.history.untrained = history_row(0, 0.0, metrics)
        self.on_metrics("validation", metrics, 0)

    def _record(self, prefix: str, state: TrainerState, metrics: Row) -> None:
        row = history_row(state.global_step, state.epoch or 0.0, metrics)
        getattr(self.history, prefix).append(row)
        self.on_metrics(prefix, metrics, state.global_step)

    def _diverged(self, name: str, value: float, step: int) -> InputError:
        epoch, index = divmod(step - 1, self.steps_per_epoch)
        rows = self.rows.describe(self.sampler.global_batches(epoch)[index])
        self.checkpoints.wait()
        saved = checkpoint.numbered_folders(self.folder, "checkpoint")
        last = f"{saved[-1].name} is kept" if saved else "there is no checkpoint yet"
        return InputError(
            f"the {name.replace('grad_norm', 'gradient norm')} of step {step} is {value:g}: lower "
            "train.learning_rate, or use bf16 or fp32 in place of fp16; look at the batch: rows "
            f"{rows}, counted from 0. {last}"
        )

    @property
    def steps_per_epoch(self) -> int:
        return self.sampler.num_batches

    @property
    def total_steps(self) -> int:
        return optimizer.num_steps(self.params, self.steps_per_epoch)

    def is_finished(self, step: int) -> bool:
        """Check whether a step is the last one."""
        return step >= self.total_steps or self.history.has_stopped()

    # -- checkpoints -------------------------------------------------------------------------

    def save_weights(self, name: str) -> None:
        """Write weights and config to `<folder>/<name>`, atomically."""
        network = sharding.gather_network(self.eval_model, self.without_weights)
        with self.checkpoints.atomic_dir(name) as partial_dir:
            if distributed.is_main_process():
                networks.save(network, partial_dir)

    def save_checkpoint(self, step: int, write: Callable[[Path], object]) -> None:
        """Write everything a resume needs, then delete checkpoints that are no longer needed.

        Args:
            write: the engine's function for weights, optimizer, scheduler and random states.
        """
        if self.is_finished(step):
            self.save_weights("last")
        with self.checkpoints.atomic_dir(f"checkpoint-{step}") as partial_dir:
            write(partial_dir)
            if distributed.is_main_process():
                self.history.save(partial_dir)
                averaging.save_ema(self.ema, partial_dir)
        scored = {f"scored-{n}" for n in self.history.averaged_steps()}
        needed = scored | {f"best-{self.history.best_step()}"}
        self.checkpoints.submit("", partial(checkpoint.prune, self.folder, needed))

    @property
    def members(self) -> "list[TrainingSession]":
        """The sessions whose weights are averaged: this one (see `ModelSoup`)."""
        return [self]

    def model_sources(self) -> list[Path]:
        """Return the folders whose weights are averaged into data/model; mostly just one."""
        return self.history.model_sources(self.folder)

    def kept_checkpoints(self) -> dict[str, Path]:
        """Return the weights that become data/checkpoints, by their name there."""
        return self.history.kept_checkpoints(self.folder)

    def release_memory(self) -> None:
        """Free the network."""
        del self.model
        self.ema = None
        memory.free_memory()
