"""Engine `trainer`: Hugging Face's Trainer runs the steps of a `TrainingSession`."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader
from transformers import Trainer

from temper.core.errors import InputError
from temper.training.callbacks import FlowControlCallback
from temper.training.optimizer import build_lr_scheduler
from temper.training.resume import fit
from temper.training.session import Tensors, TrainingSession


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
    trainer = SessionTrainer(session)
    session.accelerator = trainer.accelerator
    fit(session, trainer.train_from)


class SessionTrainer(Trainer):
    """Trainer that takes batches, loss, evaluation and checkpoints from the session."""

    def __init__(self, session: TrainingSession):
        self.session, setup = session, session.setup
        super().__init__(
            model=session.model,  # type: ignore[arg-type]
            args=session.args,
            train_dataset=setup.train,
            compute_loss_func=lambda *_, **__: None,  # never called: `compute_loss` scales the loss
            optimizers=(setup.build_optimizer(session.model, setup.params), None),
        )
        for callback in list(self.callback_handler.callbacks):
            if type(callback).__name__ in ("PrinterCallback", "ProgressCallback"):
                self.remove_callback(callback)
        for callback in (*setup.callbacks, FlowControlCallback(session)):
            self.add_callback(callback)

    def train_from(self, checkpoint: Path | None) -> None:
        """Train from a checkpoint, or from the start."""
        self.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))

    def get_train_dataloader(self) -> DataLoader:
        return self.session.train_dataloader()

    def create_scheduler(
        self, num_training_steps: int, optimizer: Optimizer | None = None
    ) -> LRScheduler:
        params = self.session.setup.params
        self.lr_scheduler = build_lr_scheduler(
            optimizer or self.optimizer,  # type: ignore[arg-type]
            params,
            num_training_steps,
        )
        return self.lr_scheduler

    def compute_loss(
        self, model: nn.Module, inputs: Tensors, *_: Any, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        return self.session.compute_loss(model, inputs, num_items_in_batch)

    def _get_num_items_in_batch(
        self, batch_samples: list[Tensors], device: torch.device
    ) -> torch.Tensor:
        return self.session.num_items_in_batch(batch_samples, device)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        metrics = self.session.evaluate()
        self.log({f"eval_{name}": value for name, value in metrics.items()})
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _save_checkpoint(self, model: nn.Module, trial: Any = None) -> None:
        self.session.save_checkpoint(
            lambda _: super(SessionTrainer, self)._save_checkpoint(model, trial)
        )

    def _get_output_dir(self, trial: Any) -> str:
        return str(self.session.setup.folder / "partial")
