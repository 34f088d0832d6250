"""A batch that does not fit → half the per-device batch size, twice the accumulation steps.

The global batch stays `train.batch_size` or `train.batch_tokens`. The fitted size is written beside
the checkpoints and training restarts with it, so the weights equal those of a run that was started
with that size; a run that is killed and resumed reads the fitted size from there.
"""

import ctypes
import gc
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from temper.core import artifacts
from temper.core.errors import InputError
from temper.params.train import TrainParams
from temper.training import distributed

FITTED_FILE = "memory.json"
CPU_MESSAGES = (
    "bad allocation",
    "bad_alloc",
    "could not create a primitive",
    "Cannot allocate memory",
)

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc

T = TypeVar("T")


class OutOfMemory(Exception):
    """A batch does not fit into a device's memory.

    Args:
        reason: the allocator's message.
        on_all_ranks: whether every rank raises it; a rank alone cannot restart training.
    """

    def __init__(self, reason: str, *, on_all_ranks: bool):
        super().__init__(reason)
        self.on_all_ranks = on_all_ranks


def keep_freed_memory() -> None:
    """Let glibc keep what a step frees for the next one.

    By default large tensors go back to the kernel, which clears every page again at the next step:
    a tenth of a small model's time.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def is_out_of_memory(error: Exception) -> bool:
    """Check whether an error means that a GPU or the CPU ran out of memory."""
    from accelerate.utils.memory import should_reduce_batch_size

    if isinstance(error, MemoryError) or should_reduce_batch_size(error):
        return True
    return isinstance(error, RuntimeError) and any(m in str(error) for m in CPU_MESSAGES)


def restart_when_out_of_memory(
    train: Callable[[TrainParams], T], params: TrainParams, folder: Path
) -> T:
    """Call `train` until its per-device batch fits into memory, halving it after each failure.

    Args:
        train: one attempt, from its newest checkpoint or from the start.
        params: of train.
        folder: of the fingerprint.

    Raises:
        InputError: a batch of one does not fit, or this rank ran out of memory alone.
    """
    world_size, is_main_process = distributed.world_size(), distributed.is_main_process()
    params = with_fitted_batch_size(params, folder)
    while True:
        try:
            return train(params)
        except OutOfMemory as error:
            reason, on_all_ranks = str(error), error.on_all_ranks
        free_memory()  # out here: the exception's frames held the model
        params = halve_batch_size(
            params, folder, world_size, reason, write=is_main_process or not on_all_ranks
        )
        if not on_all_ranks:
            raise InputError(
                "this rank ran out of memory while others were mid-step; rerun to restart with "
                "a smaller batch"
            )


def with_fitted_batch_size(params: TrainParams, folder: Path) -> TrainParams:
    """Return `params` with the per-device batch size that an earlier attempt was reduced to."""
    fitted = folder / FITTED_FILE
    return params.model_copy(update=artifacts.read_json(fitted)) if fitted.exists() else params


def halve_batch_size(
    params: TrainParams, folder: Path, world_size: int, reason: str, *, write: bool
) -> TrainParams:
    """Return `params` with half the per-device batch size; drop checkpoints of the larger one.

    Every rank computes the same size.

    Args:
        params: of the attempt that ran out of memory.
        folder: of the fingerprint.
        world_size: processes.
        reason: the allocator's message.
        write: whether this rank prints the new size and writes it down.

    Raises:
        InputError: the per-device batch size is 1 already.
    """
    size = params.per_device_batch(world_size)
    if size == 1:
        raise InputError(
            f"out of memory at per-device batch size 1 ({reason}): lower tokenize.max_length, use "
            "train.gradient_checkpointing, train.precision: bf16, or a smaller model"
        )
    half = size // 2
    while params.global_batch % (half * world_size):
        half -= 1
    if write:
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        artifacts.write_json(folder / FITTED_FILE, {"per_device_batch_size": half})
        print(
            f"out of memory at per-device batch size {size}; restarting with {half} and "
            f"{params.global_batch // (half * world_size)} accumulation steps (global batch "
            f"unchanged: {params.global_batch}). To start with it: train.per_device_batch_size: "
            f"{half}",
            file=sys.stderr,
        )
    return params.model_copy(update={"per_device_batch_size": half})


def free_memory() -> None:
    """Release what a failed attempt still holds."""
    from accelerate.utils.memory import clear_device_cache

    gc.collect()
    clear_device_cache()
