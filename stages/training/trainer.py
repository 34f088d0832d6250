"""Engine `trainer`: Hugging Face's Trainer runs the loop of a `Course`."""

from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader
from transformers import Trainer

from stages.errors import InputError
from stages.training.course import Course
from stages.training.flow import Flow
from stages.training.optimizer import schedule


def run(course: Course) -> None:
    """Train with the Trainer; its callbacks and FSDP come along.

    Raises:
        InputError: the device is XLA's, where accelerate 1.15 cannot skip a loader's first batches.
    """
    if course.args.device.type == "xla":
        raise InputError(
            "train.engine: trainer; on a TPU the Trainer cannot go on from a checkpoint in "
            "mid-epoch: set train.engine to loop"
        )
    engine = Engine(course)
    course.accelerator = engine.accelerator
    course.run(lambda found: engine.train(resume_from_checkpoint=str(found) if found else None))


class Engine(Trainer):
    """Trainer that takes batches, loss, evaluation and checkpoints from the course."""

    def __init__(self, course: Course):
        self.course, job = course, course.job
        super().__init__(
            model=course.model,
            args=course.args,
            train_dataset=job.train,
            compute_loss_func=lambda *_, **__: None,  # says that the loss is scaled: `compute_loss`
            optimizers=(job.make_optimizer(course.model, job.params), None),
        )
        for callback in list(self.callback_handler.callbacks):
            if type(callback).__name__ in ("PrinterCallback", "ProgressCallback"):
                self.remove_callback(callback)
        for callback in (*job.callbacks, Flow(course)):
            self.add_callback(callback)

    def get_train_dataloader(self) -> DataLoader:
        return self.course.batches()

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        params = self.course.job.params
        self.lr_scheduler = schedule(optimizer or self.optimizer, params, num_training_steps)
        return self.lr_scheduler

    def compute_loss(self, model: Any, inputs: Any, *_: Any, num_items_in_batch: Any = None) -> Any:
        return self.course.loss(model, inputs, num_items_in_batch)

    def _get_num_items_in_batch(self, batch_samples: list, device: Any) -> Any:
        return self.course.num_labels(batch_samples, device)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        found = self.course.evaluate()
        self.log({f"eval_{name}": value for name, value in found.items()})
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found

    def _save_checkpoint(self, network: Any, trial: Any = None) -> None:
        self.course.save(lambda _: super(Engine, self)._save_checkpoint(network, trial))

    def _get_output_dir(self, trial: Any) -> str:
        return str(Path(self.course.job.folder) / "partial")
