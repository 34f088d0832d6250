"""Engine `trainer`: Hugging Face's Trainer runs the loop of a `Course`."""

from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader
from transformers import Trainer

from temper.core.errors import InputError
from temper.training.callbacks import FlowControlCallback
from temper.training.fit import fit
from temper.training.optimizer import schedule
from temper.training.session import TrainingSession


def run(session: TrainingSession) -> None:
    """Train with the Trainer; its callbacks and FSDP come along.

    Raises:
        InputError: the device is XLA's, where accelerate 1.15 cannot skip a loader's first batches.
    """
    if session.args.device.type == "xla":
        raise InputError(
            "train.engine: trainer; on a TPU the Trainer cannot go on from a checkpoint in "
            "mid-epoch: set train.engine to loop"
        )
    engine = SessionTrainer(session)
    session.accelerator = engine.accelerator
    fit(session, lambda found: engine.train(resume_from_checkpoint=str(found) if found else None))


class SessionTrainer(Trainer):
    """Trainer that takes batches, loss, evaluation and checkpoints from the course."""

    def __init__(self, session: TrainingSession):
        self.session, setup = session, session.setup
        super().__init__(
            model=session.model,
            args=session.args,
            train_dataset=setup.train,
            compute_loss_func=lambda *_, **__: None,  # says that the loss is scaled: `compute_loss`
            optimizers=(setup.build_optimizer(session.model, setup.params), None),
        )
        for callback in list(self.callback_handler.callbacks):
            if type(callback).__name__ in ("PrinterCallback", "ProgressCallback"):
                self.remove_callback(callback)
        for callback in (*setup.callbacks, FlowControlCallback(session)):
            self.add_callback(callback)

    def get_train_dataloader(self) -> DataLoader:
        return self.session.batches()

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        params = self.session.setup.params
        self.lr_scheduler = schedule(optimizer or self.optimizer, params, num_training_steps)
        return self.lr_scheduler

    def compute_loss(self, model: Any, inputs: Any, *_: Any, num_items_in_batch: Any = None) -> Any:
        return self.session.loss(model, inputs, num_items_in_batch)

    def _get_num_items_in_batch(self, batch_samples: list, device: Any) -> Any:
        return self.session.num_labels(batch_samples, device)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        found = self.session.evaluate()
        self.log({f"eval_{name}": value for name, value in found.items()})
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found

    def _save_checkpoint(self, network: Any, trial: Any = None) -> None:
        self.session.save(lambda _: super(SessionTrainer, self)._save_checkpoint(network, trial))

    def _get_output_dir(self, trial: Any) -> str:
        return str(Path(self.session.setup.folder) / "partial")
