"""Parameters, data and the user's own functions → what a training is made of.

The engines take a `Job` and nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import TrainingArguments

from temper import metrics
from temper.core.errors import InputError
from temper.models import loading
from temper.params import rules, user_code
from temper.params.schema import Params
from temper.tasks.base import Task, arrays, registry
from temper.tasks.base.arrays import Collator
from temper.training import losses, networks, optimizer, reporters
from temper.training.losses import Divergence, Loss

OnMetrics = Callable[[str, dict[str, float], int], None]


@dataclass(frozen=True, kw_only=True)
class TrainingSetup:
    """What a training is made of, and where its checkpoints go."""

    params: Any  # TrainParams
    seed: int
    train: Any
    validation: Any | None  # None: nothing to score
    collate: Collator
    validation_collate: Collator  # without augmentation
    width: Callable[[int], int] | None  # from the longest row to the padded width; None: no text
    static_shapes: bool  # whether every batch is filled up to the same number of rows
    task: Task
    loss: Loss
    divergence: Divergence  # of two passes over the same rows, for R-Drop
    scores: Callable[..., dict[str, float]]  # of predictions and references
    greater: bool  # whether metric_for_best_model is better when greater
    build_optimizer: Callable[[Any, Any], Any]  # of the model and params
    callbacks: Sequence[Any]  # reporters, and the user's own
    folder: Path
    on_metrics: OnMetrics  # (prefix, numbers, step): the console and the tracker


def build_setup(
    parameters: Params, data: Any, base: Path, folder: Path, on_metrics: Any, seed: int
) -> Any:
    """Join parameters, data and functions to what the engine trains."""
    train, name = data["train"], parameters.task.metrics
    best = user_code.attribute_name(parameters.train.metric_for_best_model)
    p = parameters.train.model_copy(update={"metric_for_best_model": best})
    task = registry.load(parameters, train.features)
    if not task.is_labelled(train):
        raise InputError("the training split has no labels; nothing can be learned from it")
    validation = data.get("validation")
    scored = validation is not None and task.is_labelled(validation)
    if not scored and (users := rules.users_of_validation(p)):
        raise InputError(
            f"there is no labelled validation split, but {', '.join(users)} needs one; set "
            "data.split.validation"
        )
    processor = registry.load_processor(base / "processor", task)
    config = loading.open_config(base / "weights")
    task.configure(config, train.features)
    is_crf = networks.has_crf(config, parameters)
    is_text = parameters.tokenize.max_length is not None
    code = parameters.code
    optimizer_of = None if p.optimizer == "adamw_8bit" else p.optimizer
    own_optimizer = user_code.resolve(optimizer_of, "train.optimizer", code)
    functions = user_code.trained_metric(parameters)
    callbacks = [user_code.resolve(name, "train.callbacks", code) for name in p.callbacks or ()]
    return TrainingSetup(
        params=p,
        seed=seed,
        train=train,
        validation=validation if scored else None,
        collate=around(
            user_code.resolve(p.collator, "train.collator", code),
            task.collator(processor, config, p.augmentation),
        ),
        validation_collate=task.collator(processor, config),
        width=(lambda longest: arrays.padded_length([longest], parameters)) if is_text else None,
        static_shapes=parameters.tokenize.padding == "max_length",
        task=task,
        loss=user_code.resolve(p.loss, "train.loss", code)
        or build_training_loss(parameters, train, task, is_crf=is_crf),
        divergence=losses.divergence(task.loss),
        scores=scoring(name, task.label_names, functions),
        greater=metrics.greater_is_better(p.metric_for_best_model, name, functions),
        build_optimizer=partial(optimizer.build_optimizer, own=own_optimizer),
        callbacks=reporters.callbacks(parameters, folder.name) + [make() for make in callbacks],
        folder=folder,
        on_metrics=on_metrics,
    )


def build_training_loss(
    parameters: Params, dataset: Any, task: registry.Task, *, is_crf: bool
) -> Loss:
    """Return the training loss with its class weights, balanced ones from the training labels."""
    p, weights = parameters.train, parameters.train.class_weights
    if weights == "balanced":
        ids = np.concatenate([np.atleast_1d(labels) for labels in dataset["labels"]]).astype(int)
        counts = np.bincount(ids[ids >= 0], minlength=len(task.label_names))
        several = task.loss == "binary_cross_entropy"
        weights = losses.balanced_weights(counts, len(dataset) if several else None)
    if weights is not None and len(weights) != len(task.label_names):
        raise InputError(
            f"train.class_weights has {len(weights)} numbers for {len(task.label_names)} labels"
        )
    return losses.build_loss(
        "crf" if is_crf else task.loss,
        label_smoothing=p.label_smoothing,
        class_weights=weights,
        focal_gamma=p.focal_gamma or 0.0,
        huber_delta=p.huber_delta,
    )


def scoring(name: str, names: list[str], functions: dict[str, Any]) -> Any:
    """Return the task's metrics, and the user's, as a function of predictions and references."""
    if not metrics.scores_logits(name):
        return lambda found, wanted, **options: (
            metrics.compute_from_predictions(name, found, wanted, **options)
            | user_code.scores(functions, found, wanted)
        )

    def scores(found: Any, wanted: Any, **options: Any) -> dict[str, float]:
        plain = metrics.compute_with_loss(name, found, wanted, **options)
        if not functions:
            return plain
        sides = metrics.predictions_from_logits(name, found), wanted
        return plain | user_code.scores(
            functions, *(metrics.to_label_names(name, s, names) for s in sides)
        )

    return scores


def around(function: Any, collate: Collator) -> Collator:
    """Return a user's collator of `(rows, collate)` as one of rows; None leaves the task's."""
    return collate if function is None else lambda rows: function(rows, collate)


def training_arguments(params: Any, seed: int, folder: Path, world_size: int) -> TrainingArguments:
    """Return TrainingArguments; what the engine does itself is off."""
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=params.epochs,
        per_device_train_batch_size=params.per_device_batch_size or params.batch_size // world_size,
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
        report_to=[],  # temper/training/reporters.py tells them
        disable_tqdm=True,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
    )


def accumulation_steps(params: Any, world_size: int) -> int:
    """Return the pieces a process cuts its share of `batch_size` into.

    Raises:
        InputError: `batch_size` cannot be divided so.
    """
    part = params.per_device_batch_size
    if part is None:
        part = params.batch_size // world_size
    if part == 0 or params.batch_size % (part * world_size):
        raise InputError(
            f"train.batch_size {params.batch_size} is no multiple of {world_size} processes x "
            f"{part} examples per device"
        )
    return params.batch_size // (part * world_size)
