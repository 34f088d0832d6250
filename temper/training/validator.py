"""A model → outputs and metrics of the validation split, each process predicting its share."""

import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from accelerate.utils import gather_object
from torch import nn

from temper import inference, metrics
from temper.core.errors import InputError
from temper.params import user_code
from temper.params.schema import Params
from temper.tasks.base import Task
from temper.tasks.base.arrays import Collator, ComputeMetrics
from temper.training import best_metric, distributed, memory

if TYPE_CHECKING:
    from datasets import Dataset


class Validator:
    """Predicts and scores rows as training does between steps.

    Args:
        collator: without augmentation.

    Attributes:
        batch_size: rows per forward pass and device; halved whenever memory runs out.

    Raises:
        InputError: see `best_metric.check`.
    """

    def __init__(
        self,
        dataset: "Dataset",
        task: Task,
        collator: Collator,
        parameters: Params,
        autocast: Callable[[], AbstractContextManager],
    ):
        self.dataset, self.task, self.collator, self.autocast = dataset, task, collator, autocast
        self.compute_metrics = build_compute_metrics(parameters, task.label_names)
        self.batch_size = parameters.train.per_device_eval_batch_size
        self.static_shapes = parameters.tokenize.padding == "max_length"
        metric, positive = (
            parameters.train.metric_for_best_model,
            parameters.evaluate.positive_label,
        )
        check_is_defined(metric, task, dataset, positive)

    def score(self, model: nn.Module, rows: "Dataset | None" = None) -> dict[str, float]:
        """Return `loss` and the task's metrics of the split, or of some rows, each counted once."""
        rows = self.dataset if rows is None else rows
        return self.gather_and_score(model, rows, self.outputs_of_share(model, rows))

    def outputs_of_share(self, model: nn.Module, rows: "Dataset") -> list[np.ndarray]:
        """Return one output per row of this process's share; the last share repeats the last row.

        The batch size is halved until it fits. Leaves the model in evaluation mode.
        """
        share, first_row, world_size = rows, 0, distributed.world_size()
        if world_size > 1:
            size = -(-len(rows) // world_size)  # every process runs the same number of batches
            first_row = size * distributed.rank()
            share = share.select(np.minimum(np.arange(size) + first_row, len(rows) - 1))
        predict = partial(self.outputs, model, share, first_row)
        return memory.call_until_it_fits(predict, self.batch_size, self._halve)

    def gather_and_score(
        self, model: nn.Module, rows: "Dataset", outputs: list[np.ndarray]
    ) -> dict[str, float]:
        """Return the metrics of rows from the outputs of each process's share. Collective."""
        if distributed.world_size() > 1:
            outputs = gather_object(outputs)[: len(rows)]
        return self.task.for_model(model).score(outputs, rows, self.compute_metrics)

    def outputs(
        self, model: nn.Module, rows: "Dataset", first_row: int, batch_size: int
    ) -> list[np.ndarray]:
        """Return one output per row; leaves the model in evaluation mode.

        Args:
            first_row: the number of its first row in the split.
        """
        forward = inference.torch_forward(model, self.task, self.autocast)
        run_batch = inference.logits_runner(forward, self.collator, self.task)
        options = {"static_shapes": self.static_shapes}
        return list(inference.row_outputs(run_batch, rows, batch_size, first_row, **options))

    def _halve(self, batch_size: int, failure: memory.OutOfMemory) -> int:
        if distributed.is_sharded():  # another number of forward passes than on the other ranks
            raise InputError(
                f"out of memory while evaluating sharded weights ({failure}): lower "
                f"train.per_device_eval_batch_size ({batch_size}) or tokenize.max_length"
            )
        if batch_size == 1:
            failure.on_all_ranks = distributed.world_size() == 1  # the others wait
            raise failure
        self.batch_size = batch_size // 2
        print(
            "out of memory while evaluating; continuing at per-device batch size "
            f"{self.batch_size} (train.per_device_eval_batch_size)",
            file=sys.stderr,
        )
        return self.batch_size


def check_is_defined(
    metric: str, task: Task, validation: "Dataset", positive: str | None = None
) -> None:
    """Refuse a `train.metric_for_best_model` that validation does not have; see `best_metric`."""
    name = task.params.metrics
    if best_metric.may_be_undefined(metric, name):
        labels: Any = validation["labels"]
        if name == "classification":
            labels = (task.label_names[i] for i in labels)
        elif name == "multi_label":
            labels = (label for row in labels for label in set(row))
        counts, num_rows = Counter(labels), len(validation["labels"])
        best_metric.check(metric, name, counts, num_rows, task.label_names, positive)


def build_compute_metrics(parameters: Params, label_names: list[str]) -> ComputeMetrics:
    """Combine the task's metrics with a custom one, which gets label names or numbers."""
    name, custom_metrics = parameters.task.metrics, user_code.trained_metric(parameters)
    if not metrics.scores_logits(name):
        return lambda predictions, references, **options: (
            metrics.compute_from_predictions(name, predictions, references, **options)
            | user_code.scores(custom_metrics, predictions, references, best_metric.KEY)
        )

    def compute_metrics(logits: Any, references: Any, **options: Any) -> dict[str, float]:
        scores = metrics.compute_with_loss(name, logits, references, **options)
        if not custom_metrics:
            return scores
        to_names = partial(metrics.to_label_names, name, label_names=label_names)
        predictions = metrics.predictions_from_logits(name, logits)
        return scores | user_code.scores(
            custom_metrics, to_names(predictions), to_names(references), best_metric.KEY
        )

    return compute_metrics
