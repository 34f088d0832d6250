"""What both engines share: batches, losses, evaluations, checkpoints, and when each is due.

An engine is the loop around this: `trainer.py` leaves it to Hugging Face's Trainer, `loop.py`
writes it out. Both report their steps to the same callback (`flow.py`), so they evaluate, save
and stop alike.
"""

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from torch.utils.data import DataLoader
from transformers import TrainerState

from temper import inference
from temper.core import arrow
from temper.core.errors import InputError
from temper.training import averaging, batching, checkpoint, losses, memory, networks
from temper.training.batching import BucketSampler, Rows
from temper.training.history import History, rounded
from temper.training.setup import TrainingSetup, training_arguments

Tensors = dict[str, torch.Tensor]
SHOWN_ROWS = 64  # of a batch whose loss is no number


class TrainingSession:
    """One training, from the first batch to the last checkpoint, without the loop.

    Attributes:
        model: the network, not wrapped for several processes.
        state: step, epoch and flops; transformers' own, so that its callbacks understand it.
        accelerator: set by the engine; gathers and reduces over the processes.
    """

    accelerator: Any
    model: Any

    def __init__(self, network: Any, setup: TrainingSetup, world_size: int):
        self.setup, self.model, self.history = setup, network, History()
        self.state, self.terminated, self.first_step = TrainerState(), False, 0
        self.args = training_arguments(setup.params, setup.seed, setup.folder, world_size)
        networks.place(network, self.args.device)
        self.per_device_eval_batch_size = setup.params.per_device_eval_batch_size
        self.average = averaging.shadow(network, setup.params.weight_averaging)
        self.sampler = BucketSampler(
            np.asarray(setup.train["length"]),
            batch_size=setup.params.batch_size,
            accumulation=self.args.gradient_accumulation_steps,
            window=setup.params.bucket_window,
            seed=setup.seed,
            rank=self.args.process_index,
            world_size=world_size,
            static_shapes=setup.static_shapes,
            labels=batching.label_ids(setup.train, setup.params.resampling),
            resampling=setup.params.resampling,
        )
        self.rows = Rows(setup.train, self.sampler)
        if setup.params.gradient_checkpointing:
            network.activation_checkpointing_enable()

    # -- batches and losses ------------------------------------------------------------------

    def batches(self) -> DataLoader:
        """Return this process's pieces of an epoch's batches; the epoch is the sampler's."""
        return DataLoader(
            self.rows,  # type: ignore[arg-type]
            batch_sampler=self.sampler,
            collate_fn=lambda rows: batching.tensors(self.setup.collate, rows),
            generator=torch.Generator(),  # else every epoch draws from the dropout's generator
        )

    def num_labels(self, micro_batches: Sequence[Tensors], device: Any) -> torch.Tensor:
        """Return the labels of the whole global batch, which its loss is divided by."""
        count = torch.stack(
            [losses.valid(micro_batch["labels"]).sum() for micro_batch in micro_batches]
        ).sum()
        return self.accelerator.reduce(count.to(device), "sum").clamp(min=1)

    def loss(self, network: Any, micro_batch: Tensors, num_labels: torch.Tensor) -> torch.Tensor:
        """Return a piece's share of the global batch's loss, times the number of processes.

        The processes' gradients are averaged, which takes the factor away again. With R-Drop every
        row passes twice and the two answers are pulled together (Liang et al. 2021).
        """
        inputs, labels, alpha = (
            dict(micro_batch),
            micro_batch["labels"],
            self.setup.params.r_drop_alpha,
        )
        del inputs["labels"]
        if alpha:
            inputs = {name: torch.cat([values, values]) for name, values in inputs.items()}
        outputs = network(**inputs)
        logits, more = self.setup.task.logits(outputs, inputs), losses.extras(outputs)
        if not alpha:
            total = self.setup.loss(logits, labels, **more)
        else:
            one, other = logits.chunk(2)
            total = (
                self.setup.loss(one, labels, **more) + self.setup.loss(other, labels, **more)
            ) / 2
            total = total + alpha * self.setup.divergence(one, other, labels)
        return total / num_labels * self.args.world_size

    def flops(self, micro_batch: Tensors) -> float:
        """Return 6 x tokens x parameters, all processes counted, as transformers estimates it."""
        tokens = micro_batch.get(getattr(self.model, "main_input_name", "input_ids"))
        return 0.0 if tokens is None else 6.0 * tokens.numel() * self.size * self.args.world_size

    @cached_property
    def size(self) -> int:
        """The parameters without embeddings; 0 of a network that cannot count them."""
        count = getattr(self.model, "num_parameters", lambda **_: 0)
        return count(exclude_embeddings=True)

    # -- evaluation --------------------------------------------------------------------------

    def evaluate(self) -> dict[str, float]:
        """Score the validation split, every row once, and keep the weights if they are the best."""
        step = self.state.global_step
        found = self.validation_scores(self.setup.validation)
        row = {"step": step, "epoch": rounded(self.state.epoch or 0.0)}
        if not self.history.validation or self.history.validation[-1]["step"] != step:
            self.history.validation.append(row | {k: rounded(v) for k, v in found.items()})
            if self.best_step() == step:
                self.keep(f"best-{step}")
            if step in self.averaged_steps():
                self.keep(f"scored-{step}")
            self.setup.on_metrics("validation", found, step)
        return found

    def validation_scores(self, dataset: Any) -> dict[str, float]:
        """Return `loss` and the task's metrics over all processes' shares of `dataset`."""
        rows, world = len(dataset), self.args.world_size
        share = -(-rows // world)  # every process runs the same number of batches
        chosen = np.minimum(np.arange(share) + share * self.args.process_index, rows - 1)
        mine = dataset.select(chosen) if world > 1 else dataset
        task, first = self.setup.task, share * self.args.process_index if world > 1 else 0
        network = self.scored_model()
        task.load_decoder_state(network)
        found = self.outputs(network, mine, first)
        found = gather_object(found)[:rows] if world > 1 else found
        self.model.train()
        return task.score(found, dataset, self.setup.scores)

    def outputs(self, network: Any, dataset: Any, first: int) -> list[np.ndarray]:
        """Return what is kept of each row's logits, in smaller batches if memory runs out."""
        forward = inference.torch_forward(network, self.setup.task, self.accelerator.autocast)
        while True:
            try:
                windows = inference.predict(
                    forward,
                    dataset,
                    self.setup.validation_collate,
                    self.per_device_eval_batch_size,
                    self.setup.task,
                    first,
                    static_shapes=self.setup.static_shapes,
                )
                return [output for _, outputs in windows for output in outputs]
            except Exception as error:
                if not memory.is_out_of_memory(error) or self.per_device_eval_batch_size == 1:
                    raise
            self.per_device_eval_batch_size //= 2
            memory.free()
            print(
                "out of memory while evaluating: continuing at per-device batch size "
                f"{self.per_device_eval_batch_size} (train.per_device_eval_batch_size)",
                file=sys.stderr,
            )

    def scored_model(self) -> Any:
        """Return the network that is scored and kept: the average where there is one."""
        return self.model if self.average is None else self.average.module

    def is_over(self) -> bool:
        """Tell whether all steps are made, or the training was stopped before."""
        return self.state.global_step >= self.total_steps or self.is_stopped()

    def is_stopped(self) -> bool:
        """Tell whether early stopping or a callback of the user's has ended the training."""
        p = self.setup.params
        return self.history.ended or self.history.is_stopped(
            p.metric_for_best_model, greater=self.setup.greater, rule=p.early_stopping
        )

    def best_step(self) -> int | None:
        best = self.history.best(
            self.setup.params.metric_for_best_model, greater=self.setup.greater
        )
        return None if best is None else self.history.validation[best]["step"]

    def averaged_steps(self) -> list[int]:
        """Return the evaluated steps whose weights data/model is the mean of; [] for none."""
        p = self.setup.params
        if p.weight_averaging is None or p.weight_averaging.kind == "ema":
            return []
        rows = self.history.kept(
            p.metric_for_best_model, p.weight_averaging, greater=self.setup.greater
        )
        return [row["step"] for row in rows]

    def sources(self) -> list[Path]:
        """Return the folders whose weights data/model is the mean of; mostly one."""
        averaged = [self.setup.folder / f"scored-{step}" for step in self.averaged_steps()]
        return averaged or [self.best()]

    def best(self) -> Path:
        """Return the folder of the best weights; of the last where nothing was scored."""
        step = self.best_step()
        return self.setup.folder / ("last" if step is None else f"best-{step}")

    def kept(self) -> dict[str, Path]:
        """Return the weights that become data/checkpoints, by their name there."""
        folder = self.setup.folder
        return {
            "best": {"best": self.best()},
            "last": {"last": folder / "last"},
            "all": {path.name: path for path in checkpoint.numbered(folder, "epoch")},
        }[self.setup.params.keep_checkpoints]

    # -- steps -------------------------------------------------------------------------------

    def record_step(self, numbers: dict[str, float]) -> None:
        """Add an optimizer step to the history.

        Args:
            numbers: loss, learning_rate and grad_norm.

        Raises:
            InputError: the loss or the gradient is no number, or the loss is above
                `train.max_loss`; nothing is saved any more.
        """
        p, step = self.setup.params, self.state.global_step
        limit = p.max_loss or np.inf
        bad = [
            f"the {name} of step {step} is {value:g}"
            for name, value, most in (
                ("loss", numbers["loss"], limit),
                ("gradient's norm", numbers["grad_norm"], np.inf),
            )
            if not np.isfinite(value) or value > most
            if name == "loss" or p.precision != "fp16"  # fp16 skips such steps
        ]
        if bad:
            last = checkpoint.numbered(self.setup.folder, "checkpoint")
            kept = f"{last[-1].name} is kept" if last else "there is no checkpoint yet"
            raise InputError(
                f"{bad[0]}: lower train.learning_rate, or use bf16 or fp32 in place of fp16; look "
                f"at the batch: rows {self.rows_of(step)}, counted from 0. {kept}"
            )
        row = {"step": step, "epoch": rounded(self.state.epoch or 0.0)}
        self.history.train.append(row | {k: rounded(v) for k, v in numbers.items()})
        self.setup.on_metrics("train", numbers, step)

    def rows_of(self, step: int) -> str:
        """Return the rows of a step's global batch, as text."""
        epoch, at = divmod(step - 1, self.steps_in("epoch"))
        found = sorted(map(int, self.sampler.global_batches(epoch)[at]))
        more = f" and {len(found) - SHOWN_ROWS} more" if len(found) > SHOWN_ROWS else ""
        shown = found[:SHOWN_ROWS]
        text = f"{', '.join(map(str, shown))}{more} of data/tokenized's train split"
        names = self.setup.train.column_names
        if (
            "example_id" not in names or arrow.AUGMENTED in names
        ):  # made rows are none of data/raw's
            return text
        raw = sorted(set(self.setup.train[shown]["example_id"]))
        return f"{text}, made from rows {', '.join(map(str, raw))} of data/raw's"

    def steps_in(self, every: str | int) -> int:
        """Return the optimizer steps between two events that come every epoch, or n steps."""
        return self.sampler.num_batches if every == "epoch" else int(every)

    @property
    def total_steps(self) -> int:
        return int(np.ceil(self.setup.params.epochs * self.steps_in("epoch")))

    def any_rank_terminated(self) -> bool:
        """Tell whether any process got SIGTERM; all processes get the same answer."""
        return self.any_rank(self.terminated)

    def any_rank(self, mine: bool) -> bool:
        """Tell whether it is true of any process; all of them ask."""
        flag = torch.tensor(int(mine), device=self.args.device)
        return (
            bool(self.accelerator.reduce(flag, "sum")) if self.args.world_size > 1 else bool(flag)
        )

    # -- checkpoints -------------------------------------------------------------------------

    def keep(self, name: str) -> None:
        """Write weights and config to `<folder>/<name>`, whole or not at all."""
        with self.atomic_checkpoint_dir(name) as partial:
            if self.args.should_save:
                networks.save(self.scored_model(), partial)

    def save(self, write: Callable[[Path], None]) -> None:
        """Write everything a resume needs, the history with it, then drop what is older.

        Args:
            write: the engine's function that writes weights, optimizer, schedule and generators.
        """
        step = self.state.global_step
        if self.is_over():
            self.keep("last")
        with self.atomic_checkpoint_dir(f"checkpoint-{step}") as partial:
            write(partial)
            if self.args.should_save:
                self.history.save(partial / "history.json")
                averaging.save(self.average, partial)
        if self.args.should_save:
            checkpoint.prune(self.setup.folder, self.best_step(), self.averaged_steps())

    @contextmanager
    def atomic_checkpoint_dir(self, name: str) -> Iterator[Path]:
        partial = self.setup.folder / "partial" / name
        partial.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                checkpoint.publish(partial, self.setup.folder / name)
        except Exception as error:
            if not checkpoint.is_disk_full(error):
                raise
            shutil.rmtree(partial, ignore_errors=True)
            reason = f"{type(error).__name__}: {error!s:.200}"
            raise checkpoint.no_room(
                self.setup.folder, name, self.checkpoint_size(), reason
            ) from error
        self.accelerator.wait_for_everyone()

    def checkpoint_size(self) -> int:
        """Return the bytes of a checkpoint: weights, and two moments of each trained one."""
        weights = sum(p.numel() * p.element_size() for p in self.model.parameters())
        trained = sum(p.numel() * 4 for p in self.model.parameters() if p.requires_grad)
        return weights + 2 * trained

    @property
    def members(self) -> "list[TrainingSession]":
        """The trainings it is made of: itself (see soup.py)."""
        return [self]

    def release(self) -> None:
        """Give the memory of the network and the optimizer back."""
        self.accelerator.free_memory()
        self.model = self.average = None
