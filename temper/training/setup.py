"""Parameters and data → the parts that a training session is built from."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from transformers import PretrainedConfig, TrainerCallback, TrainingArguments

from temper import metrics
from temper.core import determinism
from temper.core.errors import InputError
from temper.models import loading
from temper.params import evaluate_rules, rules, user_code
from temper.params.schema import Params
from temper.params.train import TrainParams
from temper.tasks.base import Task, registry
from temper.tasks.base.arrays import Collator
from temper.training import (
    custom_functions,
    distillation,
    distillation_loss,
    distributed,
    losses,
    networks,
    optimizer,
    reporters,
)
from temper.training.batching import resampling_labels
from temper.training.dropout import SeededDropout, has_dropout
from temper.training.losses import LossFunction
from temper.training.sampler import BucketSampler

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, Features

    from temper.training.optimizer import Model

GPU_PADDING_MULTIPLE = 8
# of AdamW: for reporters, since the engines build their own optimizer
REPORTED = {"learning_rate", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon"}


def with_padding_multiple(parameters: Params) -> Params:
    """Resolve an absent `tokenize.pad_to_multiple_of`: 8 where a GPU trains, otherwise 1.

    A GPU multiplies tiles of 8 or more numbers; on a CPU the padding would only cost time.
    """
    tokenize = parameters.tokenize
    if tokenize.pad_to_multiple_of is not None or not torch.cuda.is_available():
        return parameters
    tokenize = tokenize.model_copy(update={"pad_to_multiple_of": GPU_PADDING_MULTIPLE})
    return parameters.model_copy(update={"tokenize": tokenize})


def labelled_validation(params: TrainParams, data: "DatasetDict", task: Task) -> "Dataset | None":
    """Return the validation split, or None if there is none with labels.

    Raises:
        InputError: the training split has no labels, or a parameter needs validation labels.
    """
    if not task.is_labelled(data["train"]):
        raise InputError("the training split has no labels; nothing can be learned from it")
    validation = data.get("validation")
    has_labels = validation is not None and task.is_labelled(validation)
    evaluate_rules.check_validation(rules.users_of_validation(params), has_labels=has_labels)
    return validation if has_labels else None


def training_arguments(parameters: Params, seed: int, folder: Path) -> TrainingArguments:
    """Build TrainingArguments with everything off that the session does itself.

    Raises:
        InputError: rows of a batch are compared with each other and there are several processes, or
            these do not find each other.
    """
    params, world_size = parameters.train, distributed.world_size()
    distributed.check_in_batch_loss(parameters, world_size)
    size = params.per_device_batch(world_size)
    assert params.precision != "auto"  # the stage has resolved it
    schedule = "constant" if "." in params.lr_scheduler_type else params.lr_scheduler_type
    args = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=params.epochs,
        per_device_train_batch_size=size,
        gradient_accumulation_steps=params.global_batch // (size * world_size),
        lr_scheduler_type=schedule,
        max_grad_norm=params.max_grad_norm,
        **params.model_dump(include=REPORTED),
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
    if args.world_size != world_size:  # as on XLA devices: each would train by itself
        raise InputError(
            f"the launch file starts {world_size} processes, which torch takes for "
            f"{args.world_size} on {args.device.type}: set num_processes to 1"
        )
    return args


def open_base(base: Path, task: Task, types: "Features") -> tuple[Any, PretrainedConfig]:
    """Return the base model's processor, and its config with the labels of the data."""
    processor = registry.load_processor(base / "processor", task)
    config = loading.open_config(base / "weights")
    task.configure(config, types)
    task.check_length(processor, config)
    return processor, config


def build_collator(
    parameters: Params, task: Task, processor: Any, config: PretrainedConfig
) -> Collator:
    """Build the collator of training rows, which also batches what teachers said of them."""
    collator = task.collator(processor, config, parameters.train.augmentation)
    collator = custom_functions.collator(parameters, collator)
    return distillation.collator(parameters, collator, config.num_labels or 1)


def autocast(
    params: TrainParams, device: torch.device
) -> Callable[[], AbstractContextManager[object]]:
    """Return a function that makes the context which forward passes compute in."""
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(params.precision)
    return nullcontext if dtype is None else partial(torch.autocast, device.type, dtype)


def build_network(
    base: Path, task: Task, train: "Dataset", parameters: Params, device: torch.device
) -> "Model":
    """Build the network to train, with what `train` freezes and checkpoints.

    New weights are drawn from `parameters.seed`.
    """
    determinism.configure(parameters.determinism, parameters.seed)
    network = networks.build(base, task, train.features, parameters)
    optimizer.freeze(network, parameters.train.freeze)
    networks.keep_frozen_statistics(network)
    if parameters.train.gradient_checkpointing:
        network.activation_checkpointing_enable()
    if device.type == "xla":  # a move makes new parameters: before the optimizer
        networks.move(network, device)
    return network


def build_dropout(
    model: nn.Module, params: TrainParams, args: TrainingArguments, seed: int
) -> SeededDropout | None:
    """Return what replaces torch's dropout.

    None on a GPU, which draws fast, and where activations are computed again in the backward
    pass, which restores the state of torch's generator alone.
    """
    if args.device.type != "cpu" or params.gradient_checkpointing or not has_dropout(model):
        return None
    return SeededDropout(seed, args.process_index)


def build_sampler(
    train: "Dataset", parameters: Params, args: TrainingArguments, seed: int
) -> BucketSampler:
    """Build the sampler of this process's micro-batches."""
    params = parameters.train
    return BucketSampler(
        np.asarray(train["length"]),
        batch_size=params.global_batch,
        in_tokens=params.batch_tokens is not None,
        accumulation_steps=args.gradient_accumulation_steps,
        window=params.bucket_window,
        seed=seed,
        rank=args.process_index,
        world_size=args.world_size,
        static_shapes=parameters.tokenize.padding == "max_length",
        labels=resampling_labels(train, params.resampling),
        resampling=params.resampling,
    )


def build_loss_function(
    parameters: Params, dataset: "Dataset", task: Task, *, is_crf: bool
) -> LossFunction:
    """Build the training loss; balanced class weights come from the labels of `dataset`.

    Raises:
        InputError: `train.class_weights` does not fit the labels.
    """
    params, weights = parameters.train, parameters.train.class_weights
    if weights == "balanced":
        ids = np.concatenate([np.atleast_1d(labels) for labels in dataset["labels"]]).astype(int)
        counts = np.bincount(ids[ids >= 0], minlength=len(task.label_names))
        is_multi_label = task.loss == "binary_cross_entropy"
        weights = losses.balanced_weights(counts, len(dataset) if is_multi_label else None)
    if weights is not None and len(weights) != len(task.label_names):
        raise InputError(
            f"train.class_weights has {len(weights)} numbers for {len(task.label_names)} labels"
        )
    loss = custom_functions.loss(parameters) or losses.build_loss(
        "crf" if is_crf else task.loss,
        label_smoothing=params.label_smoothing,
        class_weights=weights,
        focal_gamma=params.focal_gamma,
        huber_delta=params.huber_delta,
        **task.loss_options,
    )
    loss = distillation_loss.with_teachers(loss, task.loss, params.distillation)
    alpha = params.r_drop_alpha
    return losses.with_r_drop(loss, task.loss, alpha) if alpha else loss


def greater_is_better(parameters: Params) -> bool:
    """Return the direction of `train.metric_for_best_model`.

    Raises:
        InputError: the task's metrics do not have it.
    """
    name = user_code.attribute_name(parameters.train.metric_for_best_model)
    custom_metrics = user_code.trained_metric(parameters)
    return metrics.greater_is_better(name, parameters.task.metrics, custom_metrics)


def callbacks(parameters: Params, key: str) -> list[TrainerCallback]:
    """Create the reporters of the training with this key, then the custom callbacks."""
    classes = custom_functions.callbacks(parameters)
    return reporters.callbacks(parameters, key) + [build() for build in classes]
