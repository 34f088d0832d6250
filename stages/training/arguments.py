"""Parameters → TrainingArguments: how a batch is divided, who else hears of the losses."""

import os
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from stages.errors import InputError, nearest


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
        report_to=reporters(),
        disable_tqdm=True,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
    )


def reporters() -> list[str]:
    """Return what `TEMPER_REPORT_TO` names, `tensorboard,wandb` and the like, beside MLflow.

    Raises:
        InputError: transformers does not know it, or its package is not installed.
    """
    from transformers.integrations import integration_utils

    names = [n.strip() for n in os.environ.get("TEMPER_REPORT_TO", "").split(",") if n.strip()]
    known = sorted(set(integration_utils.INTEGRATION_TO_CALLBACK) - {"mlflow"})
    for name in names:
        if name not in known:
            reason = "MLflow records every run anyway" if name == "mlflow" else "unknown"
            raise InputError(
                f"TEMPER_REPORT_TO: {name}: {reason}{nearest(name, known)}; "
                f"allowed: {', '.join(known)}"
            )
        if name not in integration_utils.get_available_reporting_integrations():
            raise InputError(f"TEMPER_REPORT_TO: {name} is not installed: pip install {name}")
    return names


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
