"""Engine `trainer`: Hugging Face's Trainer runs the steps of a `TrainingSession`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import save
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader
from transformers import Trainer
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME
from transformers.trainer_callback import PrinterCallback
from transformers.utils import SAFE_WEIGHTS_NAME

from temper.core.errors import InputError
from temper.training import sharding
from temper.training.batching import Tensors
from temper.training.callbacks import FlowControlCallback
from temper.training.optimizer import build_lr_scheduler, build_optimizer
from temper.training.resume import fit
from temper.training.session import TrainingSession


def run(session: TrainingSession) -> None:
    """Train with the Trainer; its callbacks and FSDP come along.

    Raises:
        InputError: on XLA, where accelerate 1.15 cannot skip a dataloader's first batches.
    """
    if session.args.device.type == "xla":
        raise InputError(
            "train.engine: trainer; on a TPU the Trainer cannot resume from a checkpoint in "
            "mid-epoch: set train.engine to loop"
        )

    def train(resume_from: Path | None) -> None:
        folder = None if resume_from is None else str(resume_from)
        trainer = SessionTrainer if session.without_weights is None else ShardedTrainer
        trainer(session).train(resume_from_checkpoint=folder)

    fit(session, train)


class SessionTrainer(Trainer):
    """Trainer that takes batches, loss, evaluation and checkpoints from the session."""

    def __init__(self, session: TrainingSession):
        self.session = session
        optimizer = build_optimizer(session.model, session.params, session.custom_optimizer)
        # the Trainer writes it into the model's config, and a saved one would generate without
        session.args.use_cache = getattr(session.model.config, "use_cache", False)
        super().__init__(
            model=session.model,
            args=session.args,
            train_dataset=session.rows,
            compute_loss_func=lambda *_, **__: None,  # never called: `compute_loss` scales the loss
            optimizers=(optimizer, None),
        )
        self.remove_callback(PrinterCallback)
        for callback in (*session.callbacks, FlowControlCallback(session, self.log)):
            self.add_callback(callback)

    def get_train_dataloader(self) -> DataLoader:
        return self.session.rows.dataloader()

    def create_scheduler(
        self, num_training_steps: int, optimizer: Optimizer | None = None
    ) -> LRScheduler:
        scheduled: Any = optimizer or self.optimizer
        self.lr_scheduler = build_lr_scheduler(
            scheduled, self.session.params, num_training_steps, self.session.custom_schedule
        )
        return self.lr_scheduler

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Tensors,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        step = self.state.global_step
        assert isinstance(num_items_in_batch, torch.Tensor)  # from the method below
        return self.session.compute_loss(model, inputs, num_items_in_batch, step)

    def _get_num_items_in_batch(
        self, batch_samples: list[Tensors], device: torch.device
    ) -> torch.Tensor:
        return self.session.rows.num_labels(batch_samples, device)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        metrics = self.session.evaluate(self.state)
        self.log({f"eval_{name}": value for name, value in metrics.items()})
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _save_checkpoint(self, model: nn.Module, trial: Any = None) -> None:
        self.session.save_checkpoint(
            self.state.global_step,
            lambda _: super(SessionTrainer, self)._save_checkpoint(model, trial),
        )

    def _get_output_dir(self, trial: Any) -> str:
        return str(self.session.folder / "partial")


class ShardedTrainer(SessionTrainer):
    """Trainer of a network that is sharded already; its checkpoints are those of `SessionTrainer`.

    With the Trainer's own FSDP it would take no optimizer, and write files that only FSDP reads.
    """

    def __init__(self, session: TrainingSession):
        super().__init__(session)
        self.is_distributed_loading_by_transformers = True  # so it is not wrapped
        self.optimizer: Any
        sharding.keep_state_whole(self.optimizer)

    def _move_model_to_device(self, model: nn.Module, device: torch.device) -> None:
        pass

    @contextmanager
    def _defer_fsdp_gradient_reduction(self) -> Iterator[None]:
        yield  # gradients stay sharded between micro-batches too

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        file = Path(output_dir or "", SAFE_WEIGHTS_NAME)
        save(sharding.gather_weights(self.session.model), file, safe_serialization=True)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        state = self.optimizer.state_dict()  # on all ranks, which gather it
        if self.args.should_save:
            torch.save(state, Path(output_dir, OPTIMIZER_NAME))
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir, SCHEDULER_NAME))

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: nn.Module | None = None
    ) -> None:
        sharding.load_weights([self.session.model], resume_from_checkpoint)
