"""Parameters → TrainingArguments: how a batch is divided."""

from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from stages.errors import InputError


def arguments(params: Any, seed: int, folder: Path, world_size: int) -> TrainingArguments:
    """Return TrainingArguments; what the engine does itself is off."""
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=params.epochs,
        per_device_train_batch_size=params.per_device_batch_size or params.batch_size // world_size,
        gradient_accumulation_steps=accumulation(params, world_size),
        lr_scheduler_type=params.schedule,
        max_grad_norm=params.max_grad_norm,
        bf16=params.precision == "bf16",
        fp16=params.precision == "fp16",
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        eval_strategy="no",
        save_strategy="no",
        report_to=[],  # stages/tracking/reporters.py tells them
        disable_tqdm=True,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
    )


def accumulation(params: Any, world_size: int) -> int:
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
