"""What both engines share: batches, losses, evaluations and checkpoints, without the step loop.

The loop is the engine's: that of Hugging Face's Trainer (`temper/engines/trainer.py`), or one
written out with Accelerate (`temper/engines/loop.py`). Both call `FlowControlCallback` after each
step, so they evaluate, save and stop at the same steps.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader
from transformers import TrainerState

from temper.core import disk
from temper.core.errors import InputError
from temper.training import averaging, batching, best_checkpoint, checkpoint, losses, networks
from temper.training.batching import BucketSampler, TrainingRows
from temper.training.dropout import SeededDropout, has_dropout
from temper.training.history import History, rounded
from temper.training.setup import TrainingSetup, training_arguments
from temper.training.validator import Validator

if TYPE_CHECKING:
    from torch.optim.swa_utils import AveragedModel

    from temper.training.networks import Model

Tensors = dict[str, torch.Tensor]
NUM_COUNTED_ROWS = 4096  # whose labels are counted before training


class TrainingSession:
    """One training run, from the first batch to the last checkpoint, without the step loop.

    Attributes:
        model: the network, not wrapped for several processes.
        ema: its exponential moving average, if `train.weight_averaging` asks for one.
        state: step, epoch and flops; transformers' class, so that its callbacks understand it.
        start_step: the step of the checkpoint that was resumed from, or 0.
        stop_signal: SIGTERM or SIGINT, if this process got it, or else 0.
        accelerator: set by the engine; gathers and reduces over the processes.
    """

    model: "Model"
    ema: "AveragedModel | None"
    accelerator: Accelerator

    def __init__(self, network: "Model", setup: TrainingSetup, world_size: int):
        params = setup.params
        self.setup, self.model, self.history = setup, network, History()
        self.state, self.stop_signal, self.start_step = TrainerState(), 0, 0
        self.args = training_arguments(params, setup.seed, setup.folder, world_size)
        networks.move_to_xla(network, self.args.device)
        self.validator = Validator(setup, self.args)
        self.ema = averaging.build_ema(network, params.weight_averaging)
        self.sampler = BucketSampler(
            np.asarray(setup.train["length"]),
            batch_size=params.global_batch,
            in_tokens=params.batch_tokens is not None,
            accumulation_steps=self.args.gradient_accumulation_steps,
            window=params.bucket_window,
            seed=setup.seed,
            rank=self.args.process_index,
            world_size=world_size,
            static_shapes=setup.static_shapes,
            labels=batching.resampling_labels(setup.train, params.resampling),
            resampling=params.resampling,
        )
        self.train_rows = TrainingRows(setup.train, self.sampler)
        self.mean_num_labels = self._mean_num_labels() if params.batch_tokens else None
        if params.gradient_checkpointing:
            network.activation_checkpointing_enable()
        self.dropout, self.publisher = self._build_dropout(), checkpoint.Publisher()

    def _build_dropout(self) -> SeededDropout | None:
        """Return what replaces torch's dropout.

        None on a GPU, which draws fast, and where activations are computed again in the backward
        pass, which restores the state of torch's generator alone.
        """
        on_cpu = self.args.device.type == "cpu"
        if not on_cpu or self.setup.params.gradient_checkpointing or not has_dropout(self.model):
            return None
        return SeededDropout(self.setup.seed, self.args.process_index)

    # -- batches and losses ------------------------------------------------------------------

    def train_dataloader(self) -> DataLoader:
        """Return this process's micro-batches of the epoch that the sampler is set to."""
        return DataLoader(
            self.train_rows,  # type: ignore[arg-type]
            batch_sampler=self.sampler,
            collate_fn=lambda rows: batching.collate_tensors(self.setup.train_collator, rows),
            generator=torch.Generator(),  # the default one, which dropout uses, stays untouched
        )

    def num_items_in_batch(
        self, micro_batches: Sequence[Tensors], device: torch.device
    ) -> torch.Tensor:
        """Count the labels of the whole global batch, which its loss is divided by.

        With `train.batch_tokens` it is their mean over the batches: a row then weighs the same in
        a batch of many rows as in one of few.
        """
        if self.mean_num_labels is not None:
            return torch.tensor(self.mean_num_labels, device=device)
        count = torch.stack(
            [losses.label_mask(micro_batch["labels"]).sum() for micro_batch in micro_batches]
        ).sum()
        return self.accelerator.reduce(count.to(device), "sum").clamp(min=1)  # pyright: ignore

    def _mean_num_labels(self) -> float:
        """Estimate the labels of a batch from rows all over the split."""
        rows = np.unique(np.linspace(0, len(self.train_rows) - 1, NUM_COUNTED_ROWS).astype(int))
        batch = batching.collate_tensors(
            self.setup.train_collator, self.train_rows.__getitems__(rows.tolist())
        )
        num_labels = int(losses.label_mask(batch["labels"]).sum())
        return num_labels / len(rows) * self.sampler.num_rows / self.sampler.num_batches

    def compute_loss(
        self, network: Callable[..., Any], micro_batch: Tensors, num_items_in_batch: torch.Tensor
    ) -> torch.Tensor:
        """Compute a micro-batch's share of the global batch's loss, times the number of processes.

        The average of gradients over the processes cancels that factor. With R-Drop every row is
        passed twice and the predictions are pulled together (Liang et al. 2021).
        """
        setup, alpha = self.setup, self.setup.params.r_drop_alpha
        labels = micro_batch["labels"]
        inputs = {name: values for name, values in micro_batch.items() if name != "labels"}
        if alpha:
            inputs = {name: torch.cat([values, values]) for name, values in inputs.items()}
        with self.dropout.of_micro_batch(self.state.global_step) if self.dropout else nullcontext():
            outputs = network(**inputs)
        logits, kwargs = setup.task.logits(outputs, inputs), losses.loss_kwargs(outputs)
        if not alpha:
            loss = setup.loss_function(logits, labels, **kwargs)
        else:
            first, second = logits.chunk(2)
            loss = setup.loss_function(first, labels, **kwargs)
            loss = (loss + setup.loss_function(second, labels, **kwargs)) / 2
            loss = loss + alpha * setup.divergence(first, second, labels)
        return loss / num_items_in_batch * self.args.world_size

    def flops(self, micro_batch: Tensors) -> float:
        """Return 6 x tokens x parameters over all processes, the estimate of transformers."""
        tokens = micro_batch.get(getattr(self.model, "main_input_name", "input_ids"))
        if tokens is None:
            return 0.0
        return 6.0 * tokens.numel() * self._num_non_embedding_parameters * self.args.world_size

    @cached_property
    def _num_non_embedding_parameters(self) -> int:
        """Parameters without embeddings; 0 for a custom model that cannot count them."""
        count: Callable[..., int] = getattr(self.model, "num_parameters", lambda **_: 0)
        return count(exclude_embeddings=True)

    # -- evaluation --------------------------------------------------------------------------

    def evaluate(self) -> dict[str, float]:
        """Score the validation split, every row once, and save the weights if they are the best."""
        step, history, setup = self.state.global_step, self.history, self.setup
        assert setup.validation is not None
        metrics = self.validator.compute_metrics(
            self.eval_model, setup.validation, self.accelerator
        )
        self.model.train()
        if not history.validation or history.validation[-1]["step"] != step:
            row = {"step": step, "epoch": rounded(self.state.epoch or 0.0)}
            history.validation.append(row | {k: rounded(v) for k, v in metrics.items()})
            if best_checkpoint.best_step(history, setup) == step:
                self.save_weights(f"best-{step}")
            if step in best_checkpoint.averaged_steps(history, setup):
                self.save_weights(f"scored-{step}")
            setup.on_metrics("validation", metrics, step)
        return metrics

    @property
    def eval_model(self) -> Any:
        """The network that is evaluated and saved: the moving average if there is one."""
        return self.model if self.ema is None else self.ema.module

    # -- steps -------------------------------------------------------------------------------

    def record_step(self, metrics: dict[str, float]) -> None:
        """Add an optimizer step to the history.

        Args:
            metrics: loss, learning_rate and grad_norm.

        Raises:
            InputError: the loss or the gradient is not finite, or the loss is above
                `train.max_loss`; nothing is saved any more.
        """
        params, step = self.setup.params, self.state.global_step
        limits = {"loss": params.max_loss or np.inf}
        if params.precision != "fp16":  # which skips steps whose gradient is not finite
            limits["grad_norm"] = np.inf
        for name, limit in limits.items():
            if not np.isfinite(metrics[name]) or metrics[name] > limit:
                raise self._diverged(name.replace("grad_norm", "gradient norm"), metrics[name])
        row = {"step": step, "epoch": rounded(self.state.epoch or 0.0)}
        self.history.train.append(row | {k: rounded(v) for k, v in metrics.items()})
        self.setup.on_metrics("train", metrics, step)

    def _diverged(self, name: str, value: float) -> InputError:
        step = self.state.global_step
        epoch, index = divmod(step - 1, self.steps_per_epoch)
        rows = self.sampler.global_batches(epoch)[index]
        self.publisher.wait()
        checkpoints = checkpoint.numbered_folders(self.setup.folder, "checkpoint")
        last = f"{checkpoints[-1].name} is kept" if checkpoints else "there is no checkpoint yet"
        return InputError(
            f"the {name} of step {step} is {value:g}: lower train.learning_rate, or use bf16 or "
            "fp32 in place of fp16; look at the batch: rows "
            f"{batching.describe_rows(self.setup.train, rows)}, counted from 0. {last}"
        )

    @property
    def steps_per_epoch(self) -> int:
        return self.sampler.num_batches

    @property
    def total_steps(self) -> int:
        return int(np.ceil(self.setup.params.epochs * self.steps_per_epoch))

    def is_finished(self) -> bool:
        """Check whether all steps are done, or training was stopped early."""
        return self.state.global_step >= self.total_steps or self.is_stopped_early()

    def is_stopped_early(self) -> bool:
        """Check whether early stopping or a custom callback has ended the training."""
        params = self.setup.params
        return self.history.stopped_by_callback or self.history.should_stop_early(
            params.metric_for_best_model,
            params.early_stopping,
            greater_is_better=self.setup.greater_is_better,
        )

    def any_rank_terminated(self) -> bool:
        """Check whether any rank has a stop signal; collective, the same answer on all ranks."""
        return self.any_rank(bool(self.stop_signal))

    def any_rank(self, flag: bool) -> bool:
        """Check whether `flag` is true on any rank; collective."""
        if self.args.world_size == 1:
            return flag  # a look at the device would wait for it
        count: torch.Tensor = torch.tensor(int(flag), device=self.args.device)
        return bool(self.accelerator.reduce(count, "sum"))

    # -- checkpoints -------------------------------------------------------------------------

    def save_weights(self, name: str) -> None:
        """Write weights and config to `<folder>/<name>`, atomically."""
        with self.atomic_checkpoint_dir(name) as partial:
            if self.args.should_save:
                networks.save(self.eval_model, partial)

    def save_checkpoint(self, write: Callable[[Path], object]) -> None:
        """Write everything a resume needs, then delete checkpoints that are no longer needed.

        Args:
            write: the engine's function for weights, optimizer, scheduler and random states.
        """
        if self.is_finished():
            self.save_weights("last")
        with self.atomic_checkpoint_dir(f"checkpoint-{self.state.global_step}") as partial:
            write(partial)
            if self.args.should_save:
                self.history.save(partial / "history.json")
                averaging.save_ema(self.ema, partial)
        if self.args.should_save:
            best_step = best_checkpoint.best_step(self.history, self.setup)
            averaged_steps = best_checkpoint.averaged_steps(self.history, self.setup)
            folder = self.setup.folder
            self.publisher.submit(
                folder, lambda: checkpoint.prune(folder, best_step, averaged_steps)
            )

    @contextmanager
    def atomic_checkpoint_dir(self, name: str) -> Iterator[Path]:
        """Yield a folder that becomes `<folder>/<name>` some time after all ranks have written it.

        Hashing it and waiting for the disk is left to a thread; see `wait_for_checkpoints`.

        Raises:
            InputError: the disk is full.
        """
        partial, target = self.setup.folder / "partial" / name, self.setup.folder / name
        with self._explaining_full_disk(name):
            self.publisher.wait_for(target)
            partial.mkdir(parents=True, exist_ok=True)
            yield partial
        self.accelerator.wait_for_everyone()

        def publish() -> None:
            with self._explaining_full_disk(name):
                checkpoint.publish(partial, target)

        if self.args.should_save:
            self.publisher.submit(target, publish)

    @contextmanager
    def _explaining_full_disk(self, name: str) -> Iterator[None]:
        """Turn the error of a disk that is full into one that says what did not fit."""
        folder = self.setup.folder
        try:
            yield
        except Exception as error:
            if disk.reason(error) is None:
                raise
            shutil.rmtree(folder / "partial" / name, ignore_errors=True)
            self.publisher.settle()
            num_bytes = self.checkpoint_bytes()
            raise checkpoint.disk_full_error(folder, name, num_bytes, error) from error

    def wait_for_checkpoints(self) -> None:
        """Wait until everything saved is in its final place, on all ranks; collective.

        Raises:
            InputError: the disk is full.
        """
        self.publisher.wait()
        self.accelerator.wait_for_everyone()

    def checkpoint_bytes(self) -> int:
        """Return the size of a checkpoint: weights, and two fp32 moments per trainable one."""
        weights = sum(p.numel() * p.element_size() for p in self.model.parameters())
        trained = sum(p.numel() * 4 for p in self.model.parameters() if p.requires_grad)
        return weights + 2 * trained

    # -- results -----------------------------------------------------------------------------

    def averaged_sources(self) -> list[Path]:
        """Return the folders whose weights are averaged into data/model; mostly just one."""
        return best_checkpoint.averaged_sources(self.history, self.setup)

    def kept_checkpoints(self) -> dict[str, Path]:
        """Return the weights that become data/checkpoints, by their name there."""
        return best_checkpoint.kept_checkpoints(self.history, self.setup)

    @property
    def members(self) -> "list[TrainingSession]":
        """The sessions whose weights are averaged: this one (see `ModelSoup`)."""
        return [self]

    def release_memory(self) -> None:
        """Free the network and the optimizer."""
        self.accelerator.free_memory()
        del self.model
        self.ema = None
