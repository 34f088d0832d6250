"""Parameters, data and custom functions → everything a training session is built from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import TrainerCallback, TrainingArguments

from temper import metrics
from temper.core.errors import InputError
from temper.models import loading
from temper.params import rules, user_code
from temper.params.schema import Params
from temper.params.train import TrainParams
from temper.tasks.base import Task, arrays, registry
from temper.tasks.base.arrays import Collator
from temper.training import custom_functions, losses, networks, optimizer, reporters
from temper.training.losses import DivergenceFunction, LossFunction
from temper.training.optimizer import OptimizerBuilder

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

OnMetrics = Callable[[str, dict[str, float], int], None]  # (train | validation, metrics, step)
ComputeMetrics = Callable[..., dict[str, float]]  # (predictions, references, **options)
CustomMetrics = dict[str, Callable[[list, list], float]]

GPU_PADDING_MULTIPLE = 8


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """What a session trains, with what, and where its checkpoints go.

    Attributes:
        params: of train; `metric_for_best_model` without its module.
        seed: of row order, dropout and augmentation.
        train: the tokenized training split.
        validation: the tokenized validation split; None: nothing to evaluate.
        train_collator: with augmentation, or a custom one.
        validation_collator: without augmentation.
        padded_length: maps a batch's longest row to its padded length; None: rows are not text.
        static_shapes: fill up every batch to the same number of rows.
        task: of the data.
        loss_function: of logits and labels, summed.
        divergence: of two passes over the same rows, for R-Drop.
        compute_metrics: of predictions and references.
        greater_is_better: the direction of `params.metric_for_best_model`.
        build_optimizer: from the model and params.
        callbacks: reporters, then custom callbacks.
        folder: of the checkpoints.
        on_metrics: receives the metrics of each step and evaluation, for console and tracker.
    """

    params: TrainParams
    seed: int
    train: "Dataset"
    validation: "Dataset | None"
    train_collator: Collator
    validation_collator: Collator
    padded_length: Callable[[int], int] | None
    static_shapes: bool
    task: Task
    loss_function: LossFunction
    divergence: DivergenceFunction
    compute_metrics: ComputeMetrics
    greater_is_better: bool
    build_optimizer: OptimizerBuilder
    callbacks: Sequence[TrainerCallback]
    folder: Path
    on_metrics: OnMetrics


def build_setup(
    parameters: Params,
    data: "DatasetDict",
    base: Path,
    folder: Path,
    on_metrics: OnMetrics,
    seed: int,
) -> TrainingSetup:
    """Combine parameters, data and custom functions.

    Raises:
        InputError: a split without labels that has to have them, or a custom function that cannot
            be imported.
    """
    train, parameters = data["train"], with_padding_multiple(parameters)
    best_metric = user_code.attribute_name(parameters.train.metric_for_best_model)
    params = parameters.train.model_copy(update={"metric_for_best_model": best_metric})
    task = registry.load(parameters, train.features)
    validation = labelled_validation(params, data, task)
    processor = registry.load_processor(base / "processor", task)
    config = loading.open_config(base / "weights")
    task.configure(config, train.features)
    is_crf = networks.has_crf(config, parameters)
    custom_metrics = user_code.trained_metric(parameters)
    return TrainingSetup(
        params=params,
        seed=seed,
        train=train,
        validation=validation,
        train_collator=custom_functions.collator(
            parameters, task.collator(processor, config, params.augmentation)
        ),
        validation_collator=task.collator(processor, config),
        padded_length=padded_length(parameters),
        static_shapes=parameters.tokenize.padding == "max_length",
        task=task,
        loss_function=custom_functions.loss(parameters)
        or build_loss_function(params, train, task, is_crf=is_crf),
        divergence=losses.build_divergence(task.loss),
        compute_metrics=build_compute_metrics(
            parameters.task.metrics, task.label_names, custom_metrics
        ),
        greater_is_better=metrics.greater_is_better(
            best_metric, parameters.task.metrics, custom_metrics
        ),
        build_optimizer=optimizer_builder(parameters),
        callbacks=callbacks(parameters, folder.name),
        folder=folder,
        on_metrics=on_metrics,
    )


def optimizer_builder(parameters: Params) -> OptimizerBuilder:
    """Return `build_optimizer` with the custom optimizer if `train.optimizer` names one."""
    custom_optimizer = custom_functions.optimizer(parameters)
    return partial(optimizer.build_optimizer, custom_optimizer=custom_optimizer)


def callbacks(parameters: Params, key: str) -> list[TrainerCallback]:
    """Create the reporters, then the custom callbacks.

    Args:
        parameters: all of them.
        key: of the training.
    """
    classes = custom_functions.callbacks(parameters)
    return reporters.callbacks(parameters, key) + [build() for build in classes]


def labelled_validation(params: TrainParams, data: "DatasetDict", task: Task) -> "Dataset | None":
    """Return the validation split, or None if there is none with labels.

    Raises:
        InputError: the training split has no labels, or a parameter needs validation labels.
    """
    if not task.is_labelled(data["train"]):
        raise InputError("the training split has no labels; nothing can be learned from it")
    validation = data.get("validation")
    if validation is not None and task.is_labelled(validation):
        return validation
    if users := rules.users_of_validation(params):
        raise InputError(
            f"there is no labelled validation split, but {', '.join(users)} needs one; set "
            "data.split.validation"
        )
    return None


def with_padding_multiple(parameters: Params) -> Params:
    """Resolve an absent `tokenize.pad_to_multiple_of`: 8 where a GPU trains, otherwise 1.

    A GPU multiplies tiles of 8 or more numbers; on a CPU the padding would only cost time.
    """
    tokenize = parameters.tokenize
    if tokenize.pad_to_multiple_of is not None or not torch.cuda.is_available():
        return parameters
    tokenize = tokenize.model_copy(update={"pad_to_multiple_of": GPU_PADDING_MULTIPLE})
    return parameters.model_copy(update={"tokenize": tokenize})


def padded_length(parameters: Params) -> Callable[[int], int] | None:
    """Return the map from a batch's longest row to its padded length; None for images."""
    if parameters.tokenize.max_length is None:
        return None
    return lambda longest: arrays.padded_length([longest], parameters)


def build_loss_function(
    params: TrainParams, dataset: "Dataset", task: Task, *, is_crf: bool
) -> LossFunction:
    """Build the training loss; balanced class weights come from the labels of `dataset`.

    Raises:
        InputError: `train.class_weights` does not fit the labels.
    """
    weights = params.class_weights
    if weights == "balanced":
        ids = np.concatenate([np.atleast_1d(labels) for labels in dataset["labels"]]).astype(int)
        counts = np.bincount(ids[ids >= 0], minlength=len(task.label_names))
        is_multi_label = task.loss == "binary_cross_entropy"
        weights = losses.balanced_weights(counts, len(dataset) if is_multi_label else None)
    if weights is not None and len(weights) != len(task.label_names):
        raise InputError(
            f"train.class_weights has {len(weights)} numbers for {len(task.label_names)} labels"
        )
    return losses.build_loss(
        "crf" if is_crf else task.loss,
        label_smoothing=params.label_smoothing,
        class_weights=weights,
        focal_gamma=params.focal_gamma or 0.0,
        huber_delta=params.huber_delta,
    )


def build_compute_metrics(
    name: str, label_names: list[str], custom_metrics: CustomMetrics
) -> ComputeMetrics:
    """Combine the task's metrics and custom ones to a function of predictions and references.

    Custom metrics get label names or numbers, not ids and logits.

    Args:
        name: of the metric module.
        label_names: in the order of their ids.
        custom_metrics: by name.
    """
    if not metrics.scores_logits(name):
        return lambda predictions, references, **options: (
            metrics.compute_from_predictions(name, predictions, references, **options)
            | user_code.scores(custom_metrics, predictions, references)
        )

    def compute_metrics(logits: Any, references: Any, **options: Any) -> dict[str, float]:
        scores = metrics.compute_with_loss(name, logits, references, **options)
        if not custom_metrics:
            return scores
        predictions = metrics.predictions_from_logits(name, logits)
        return scores | user_code.scores(
            custom_metrics,
            metrics.to_label_names(name, predictions, label_names),
            metrics.to_label_names(name, references, label_names),
        )

    return compute_metrics


def training_arguments(
    params: TrainParams, seed: int, folder: Path, world_size: int
) -> TrainingArguments:
    """Build TrainingArguments with everything off that the session does itself."""
    assert params.precision != "auto"  # the stage has resolved it
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=params.epochs,
        per_device_train_batch_size=params.per_device_batch(world_size),
        gradient_accumulation_steps=accumulation_steps(params, world_size),
        lr_scheduler_type=params.lr_scheduler_type,
        max_grad_norm=params.max_grad_norm,
        bf16=params.precision == "bf16",
        fp16=params.precision == "fp16",
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        eval_strategy="no",
        save_strategy="no",
        report_to=[],  # temper/training/reporters.py adds them
        disable_tqdm=True,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
    )


def accumulation_steps(params: TrainParams, world_size: int) -> int:
    """Return the micro-batches per process and global batch.

    Raises:
        InputError: the global batch does not divide into them.
    """
    size = params.per_device_batch(world_size)
    if size == 0 or params.global_batch % (size * world_size):
        raise InputError(
            f"train.{params.batch_key} {params.global_batch} is not a multiple of {world_size} "
            f"processes x {size} {params.batch_unit} per device"
        )
    return params.global_batch // (size * world_size)
