"""Engine `trainer`: Hugging Face Trainer over temper's batches, losses, checkpoints and scores."""

import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback
from transformers.trainer_utils import set_seed

from stages import inference
from stages.errors import InputError
from stages.tasks.base import Batch, Collator, Task
from stages.training import batching, checkpoint, losses, model, optimizer
from stages.training.arguments import arguments
from stages.training.batching import BucketSampler, Rows
from stages.training.history import History, rounded

Observer = Callable[[str, dict[str, float], int], None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a training is made of, and where its checkpoints go."""

    params: Any  # TrainParams
    seed: int
    train: Any
    validation: Any | None  # None: nothing to score
    collate: Collator
    validation_collate: Collator  # without augmentation
    width: Callable[[int], int] | None  # from the longest row to the padded width; None: no text
    task: Task
    loss: losses.Loss
    scores: Callable[..., dict[str, float]]  # of predictions and references
    greater: bool  # whether best_metric is better when greater
    folder: Path
    observe: Observer  # (prefix, numbers, step): the console and the tracker


class Flow(TrainerCallback):
    """Decides when to evaluate, save and stop; all of it from the step and the history."""

    def __init__(self, engine: "Engine"):
        self.engine, self.job = engine, engine.job

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.engine.sampler.set_epoch(int(state.epoch))  # a resume starts with epoch 0's order else

    def on_step_end(self, args, state, control, **kwargs):
        p, step = self.job.params, state.global_step
        last = step >= state.max_steps
        due = {
            every: step % self.engine.steps_in(every) == 0
            for every in ("epoch", p.evaluate_every, p.save_every)
        }
        control.should_evaluate = self.job.validation is not None and (
            due[p.evaluate_every] or last
        )
        control.should_save = due[p.save_every] or last
        if self.engine.someone_terminated():
            control.should_save = control.should_training_stop = True
        if due["epoch"] and p.keep == "all":
            self.engine.keep(f"epoch-{step // self.engine.steps_in('epoch')}")

    def on_log(self, args, state, control, logs=None, **kwargs):
        state.log_history.clear()  # the history has it; Trainer would write all of it every time
        if logs and "grad_norm" in logs:
            self.engine.record_step(logs, state)

    def on_evaluate(self, args, state, control, **kwargs):
        if self.engine.is_stopped():
            control.should_save = control.should_training_stop = True


class Engine(Trainer):
    """Trainer with temper's batches, normalisation, evaluation and atomic checkpoints."""

    model: Any
    accelerator: Any

    def __init__(self, network: Any, job: Job, world_size: int):
        self.job, self.history, self.terminated = job, History(), False
        super().__init__(
            model=network,
            args=arguments(job.params, job.seed, job.folder, world_size),
            train_dataset=job.train,
            compute_loss_func=self._loss,
            optimizers=(optimizer.make(network, job.params), None),
        )
        for callback in list(self.callback_handler.callbacks):
            if type(callback).__name__ in ("PrinterCallback", "ProgressCallback"):
                self.remove_callback(callback)
        self.sampler = BucketSampler(
            np.asarray(job.train["length"]),
            batch_size=job.params.batch_size,
            accumulation=self.args.gradient_accumulation_steps,
            window=job.params.bucket_window,
            seed=job.seed,
            rank=self.args.process_index,
            world_size=world_size,
        )
        self.rows = Rows(job.train, self.sampler)
        self.add_callback(Flow(self))

    # -- batches and losses ------------------------------------------------------------------

    def get_train_dataloader(self) -> DataLoader:
        return DataLoader(
            self.rows,  # type: ignore[arg-type]
            batch_sampler=self.sampler,
            collate_fn=lambda rows: as_tensors(batching.collate(self.job.collate, rows)),
            generator=torch.Generator(),  # else every epoch draws from the dropout's generator
        )

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        self.args.warmup_steps = int(self.job.params.warmup_ratio * num_training_steps)
        return super().create_scheduler(num_training_steps, optimizer)

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        self.inputs = inputs  # `_loss` is not given them
        return super().compute_loss(model, inputs, *args, **kwargs)

    def _loss(self, outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
        logits = self.job.task.logits(outputs, self.inputs)
        return self.job.loss(logits, labels) / num_items_in_batch

    def _get_num_items_in_batch(self, batch_samples: list, device: Any) -> Any:
        count = (
            torch.stack([losses.valid(b["labels"]).sum() for b in batch_samples]).sum().to(device)
        )
        return self.accelerator.reduce(count, "sum").clamp(min=1)

    # -- evaluation --------------------------------------------------------------------------

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Score the validation split, every row once, and keep the weights if they are the best."""
        step = self.state.global_step
        found = self.validation_scores(self.job.validation)
        row = {"step": step, "epoch": rounded(self.state.epoch or 0.0)}
        if not self.history.validation or self.history.validation[-1]["step"] != step:
            self.history.validation.append(row | {k: rounded(v) for k, v in found.items()})
            best = self.history.best(self.job.params.best_metric, greater=self.job.greater)
            if best == len(self.history.validation) - 1:
                self.keep(f"best-{step}")
            self.job.observe("validation", found, step)
            self.log({f"eval_{name}": value for name, value in found.items()})
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found

    def validation_scores(self, dataset: Any) -> dict[str, float]:
        """Return `loss` and the task's metrics over all processes' shares of `dataset`."""
        rows, world = len(dataset), self.args.world_size
        share = -(-rows // world)  # every process runs the same number of batches
        chosen = np.minimum(np.arange(share) + share * self.args.process_index, rows - 1)
        mine = dataset.select(chosen) if world > 1 else dataset
        task, first = self.job.task, share * self.args.process_index if world > 1 else 0
        forward = inference.torch_forward(self.model, task, self.accelerator.autocast)
        collate, size = self.job.validation_collate, self.job.params.eval_batch_size
        windows = inference.predict(forward, mine, collate, size, task, first)
        found = [output for _, outputs in windows for output in outputs]
        found = gather_object(found)[:rows] if world > 1 else found
        self.model.train()
        return task.score(found, dataset, self.job.scores)

    def is_stopped(self) -> bool:
        p = self.job.params
        return self.history.is_stopped(
            p.best_metric, greater=self.job.greater, rule=p.early_stopping
        )

    def probe(self) -> None:
        """Try the longest batch and one evaluation batch, and leave no trace.

        Raises:
            InputError: the loss of the untrained model is not a number.
        """
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            size = self.args.per_device_train_batch_size
            longest = np.argsort(-self.sampler.lengths, kind="stable")[:size].tolist()
            rows = self.rows.__getitems__(longest)
            batch = as_tensors(batching.collate(self.job.collate, rows))
            items = losses.valid(batch["labels"]).sum().to(self.args.device)
            loss = self.training_step(self.model, batch, items)
            self.model.zero_grad()
            if self.job.validation is not None:
                first = self.job.validation.select(range(min(size, len(self.job.validation))))
                self.validation_scores(first)
        if not torch.isfinite(loss):
            raise InputError(f"the loss of the first batch is {float(loss)}, before any training")

    # -- history -----------------------------------------------------------------------------

    def record_step(self, logs: dict[str, float], state: Any) -> None:
        """Add an optimizer step to the history; a loss that is not a number ends the run."""
        numbers = {k: float(logs[k]) for k in ("loss", "learning_rate", "grad_norm")}
        if not np.isfinite(numbers["loss"]):
            raise InputError(
                f"the loss of step {state.global_step} is {numbers['loss']}: lower "
                "train.learning_rate, or use bf16 or fp32 in place of fp16"
            )
        row = {"step": state.global_step, "epoch": rounded(state.epoch)}
        self.history.train.append(row | {k: rounded(v) for k, v in numbers.items()})
        self.job.observe("train", numbers, state.global_step)

    def steps_in(self, every: str | int) -> int:
        """Return the optimizer steps between two events that come every epoch, or n steps."""
        return (
            -(-len(self.job.train) // self.job.params.batch_size)
            if every == "epoch"
            else int(every)
        )

    # -- checkpoints -------------------------------------------------------------------------

    def keep(self, name: str) -> None:
        """Write weights and config to `<folder>/<name>`, whole or not at all."""
        with self._published(name) as partial:
            if self.args.should_save:
                model.save(self.accelerator.unwrap_model(self.model), partial)

    def _save_checkpoint(self, network: Any, trial: Any = None) -> None:
        """Write everything a resume needs, the history with it, then drop what is older."""
        name = f"checkpoint-{self.state.global_step}"
        with self._published(name):
            super()._save_checkpoint(network, trial)
            if self.args.should_save:
                self.history.save(self.job.folder / "partial" / name / "history.json")
        if self.args.should_save:
            checkpoint.prune(self.job.folder, self.best_step())

    def _get_output_dir(self, trial: Any) -> str:
        return str(self.job.folder / "partial")

    @contextmanager
    def _published(self, name: str):
        partial = self.job.folder / "partial" / name
        partial.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                checkpoint.publish(partial, self.job.folder / name)
        except Exception as error:
            if not checkpoint.is_disk_full(error):
                raise
            shutil.rmtree(partial, ignore_errors=True)
            reason = f"{type(error).__name__}: {error!s:.200}"
            raise checkpoint.no_room(
                self.job.folder, name, self.checkpoint_size(), reason
            ) from error
        self.accelerator.wait_for_everyone()

    def checkpoint_size(self) -> int:
        """Return the bytes of a checkpoint: weights, and two moments of each trained one."""
        weights = sum(p.numel() * p.element_size() for p in self.model.parameters())
        trained = sum(p.numel() * 4 for p in self.model.parameters() if p.requires_grad)
        return weights + 2 * trained

    def best_step(self) -> int | None:
        best = self.history.best(self.job.params.best_metric, greater=self.job.greater)
        return None if best is None else self.history.validation[best]["step"]

    # -- running -----------------------------------------------------------------------------

    def someone_terminated(self) -> bool:
        """Tell whether any process got SIGTERM; all processes get the same answer."""
        flag = torch.tensor(int(self.terminated), device=self.args.device)
        return (
            bool(self.accelerator.reduce(flag, "sum")) if self.args.world_size > 1 else bool(flag)
        )

    def run(self) -> None:
        """Train to the end, from the newest whole checkpoint if there is one.

        Raises:
            SystemExit: 143 after SIGTERM, once a checkpoint is written.
            InputError: the disk has no room for the checkpoints.
        """
        before = signal.signal(signal.SIGTERM, lambda *_: setattr(self, "terminated", True))
        try:
            self._run()
        finally:
            signal.signal(signal.SIGTERM, before)
        if self.terminated:
            sys.exit(143)

    def _run(self) -> None:
        found = checkpoint.newest(self.job.folder)
        if found is None:
            size = (checkpoint.KEPT + 1) * self.checkpoint_size()
            if shutil.disk_usage(self.job.folder).free < size:
                raise checkpoint.no_room(self.job.folder, "checkpoints", size, "before any step")
            self.probe()
            set_seed(self.job.seed)
        else:
            self.history = History.load(found / "history.json")
            print(f"resuming from step {checkpoint.step_of(found)}", file=sys.stderr)
        total = int(np.ceil(self.job.params.epochs * self.steps_in("epoch")))
        if found is not None and (checkpoint.step_of(found) >= total or self.is_stopped()):
            return
        self.train(resume_from_checkpoint=str(found) if found else None)


def as_tensors(batch: Batch) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(values) for name, values in batch.items()}
