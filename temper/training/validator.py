"""A model → outputs and metrics of the validation split, each process predicting its share."""

import sys
from typing import TYPE_CHECKING

import numpy as np
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import nn
from transformers import TrainingArguments

from temper import inference
from temper.training import memory
from temper.training.setup import TrainingSetup

if TYPE_CHECKING:
    from datasets import Dataset


class Validator:
    """Predicts and scores rows as training does between steps.

    Attributes:
        batch_size: rows per forward pass and device; halved whenever memory runs out.
    """

    def __init__(self, setup: TrainingSetup, args: TrainingArguments):
        self.setup, self.args = setup, args
        self.batch_size = setup.params.per_device_eval_batch_size

    def compute_metrics(
        self, model: nn.Module, dataset: "Dataset", accelerator: Accelerator
    ) -> dict[str, float]:
        """Return `loss` and the task's metrics over all of `dataset`, every row counted once."""
        num_rows, world_size = len(dataset), self.args.world_size
        share, first_row = dataset, 0
        if world_size > 1:
            size = -(-num_rows // world_size)  # every process runs the same number of batches
            first_row = size * self.args.process_index
            share = dataset.select(np.minimum(np.arange(size) + first_row, num_rows - 1))
        outputs = self.predict_outputs(model, share, first_row, accelerator)
        if world_size > 1:
            outputs = gather_object(outputs)[:num_rows]
        task = self.setup.task.for_model(model)
        return task.score(outputs, dataset, self.setup.compute_metrics)

    def predict_outputs(
        self,
        model: nn.Module,
        dataset: "Dataset",
        first_row: int,
        accelerator: Accelerator,
    ) -> list[np.ndarray]:
        """Return one output per row; leaves the model in evaluation mode.

        Args:
            model: on its device.
            dataset: this process's share.
            first_row: the number of its first row in the split.
            accelerator: has the precision to compute in.
        """
        forward = inference.torch_forward(model, self.setup.task, accelerator.autocast)  # type: ignore
        run_batch = inference.logits_runner(
            forward, self.setup.validation_collator, self.setup.task
        )
        while True:
            try:
                outputs = inference.predict(
                    run_batch,
                    dataset,
                    self.batch_size,
                    first_row,
                    static_shapes=self.setup.static_shapes,
                )
                return list(outputs)
            except Exception as error:
                if not memory.is_out_of_memory(error) or self.batch_size == 1:
                    raise
            self.batch_size //= 2
            memory.free_memory()  # out here: the exception's frames held tensors
            print(
                "out of memory while evaluating; continuing at per-device batch size "
                f"{self.batch_size} (train.per_device_eval_batch_size)",
                file=sys.stderr,
            )
