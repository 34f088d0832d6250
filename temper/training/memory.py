"""A batch that does not fit → half the per-device batch size, twice the accumulation steps.

The global batch stays `train.batch_size` or `train.batch_tokens`. The fitted size is written beside
the checkpoints and training restarts with it, so the weights equal those of a run that was started
with that size; a run that is killed and resumed reads the fitted size from there.
"""

import ctypes
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from temper.core import artifacts, errors
from temper.core.errors import InputError
from temper.params.train import TrainParams
from temper.training import distributed

FITTED_FILE = "memory.json"
NO_PRIMITIVE = "could not create a primitive"  # oneDNN, most often for want of memory

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc

MAX_REASON = 200  # characters of an allocator's message

T = TypeVar("T")
Size = TypeVar("Size")


class OutOfMemory(MemoryError):
    """A batch does not fit into a device's memory.

    Args:
        on_all_ranks: whether every rank raises it; a rank alone cannot restart training.
    """

    def __init__(self, reason: str, *, on_all_ranks: bool = True):
        super().__init__(reason[:MAX_REASON])
        self.on_all_ranks = on_all_ranks


def is_out_of_memory(error: Exception) -> bool:
    """Check whether an error means that a GPU or the CPU ran out of memory."""
    from accelerate.utils.memory import should_reduce_batch_size

    if errors.is_out_of_memory(error) or should_reduce_batch_size(error):
        return True
    return isinstance(error, RuntimeError) and NO_PRIMITIVE in str(error)


def call_until_it_fits(
    function: Callable[[Size], T],
    size: Size,
    reduce: Callable[[Size, OutOfMemory], Size],
    caught: type[Exception] = Exception,
) -> T:
    """Call `function(size)`; whenever memory runs out, reduce the size and call it again.

    Args:
        reduce: from the size and the failure to a smaller size; or raises an error.
        caught: leave all but these errors alone.
    """
    while True:
        try:
            return function(size)
        except caught as error:
            if not is_out_of_memory(error):
                raise
            failure = OutOfMemory(str(error), on_all_ranks=getattr(error, "on_all_ranks", True))
        free_memory()  # out here: the exception's frames held tensors
        size = reduce(size, failure)


def halve_batch_size(folder: Path, params: TrainParams, failure: OutOfMemory) -> TrainParams:
    """Return `params` with half the per-device batch size; drop checkpoints of the larger one.

    Every rank computes the same size, which the main process, or the rank that ran out of memory
    alone, prints and writes down.

    Raises:
        InputError: the per-device batch size is 1 already, or a rank ran out of memory alone.
    """
    world_size = distributed.world_size()
    size = params.per_device_batch(world_size)
    if size == 1:
        raise InputError(
            f"out of memory at per-device batch size 1 ({failure}): lower tokenize.max_length, use "
            "train.gradient_checkpointing, train.precision: bf16, or a smaller model"
        )
    half = size // 2
    while params.global_batch % (half * world_size):
        half -= 1
    if distributed.is_main_process() or not failure.on_all_ranks:
        for path in folder.iterdir():
            if path.is_dir():  # the main process may be writing there, if this rank is alone
                shutil.rmtree(path, ignore_errors=not failure.on_all_ranks)
        artifacts.write_json(folder / FITTED_FILE, {"per_device_batch_size": half})
        print(
            f"out of memory at per-device batch size {size}; restarting with {half} and "
            f"{params.global_batch // (half * world_size)} accumulation steps (global batch "
            f"unchanged: {params.global_batch}). To start with it: train.per_device_batch_size: "
            f"{half}",
            file=sys.stderr,
        )
    if not failure.on_all_ranks:
        raise InputError(
            "this rank ran out of memory while others were mid-step; rerun to restart with a "
            "smaller batch"
        )
    return params.model_copy(update={"per_device_batch_size": half})


def with_fitted_batch_size(params: TrainParams, folder: Path) -> TrainParams:
    """Return `params` with the per-device batch size that an earlier attempt was reduced to."""
    fitted = folder / FITTED_FILE
    return params.model_copy(update=artifacts.read_json(fitted)) if fitted.exists() else params


def refuse_smaller_batch(params: TrainParams, failure: OutOfMemory) -> TrainParams:
    """Stop a training whose loss compares all rows of a batch.

    Raises:
        InputError: always.
    """
    raise InputError(
        f"out of memory ({failure}): the batch cannot be divided, because its loss compares all "
        f"rows; lower train.{params.batch_key} ({params.global_batch}) or tokenize.max_length, or "
        "use train.gradient_checkpointing or train.precision: bf16"
    )


def free_memory() -> None:
    """Release what a failed attempt still holds."""
    from accelerate.utils.memory import clear_device_cache

    clear_device_cache(garbage_collection=True)


def keep_freed_memory() -> None:
    """Let glibc keep what a step frees for the next one.

    By default large tensors go back to the kernel, which clears every page again at the next step:
    a tenth of a small model's time. Not where addresses are limited: glibc's heap would keep those
    of a batch that did not fit, in pieces that a smaller one cannot use.
    """
    if platform.libc_ver()[0] == "glibc" and not _addresses_are_limited():
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _addresses_are_limited() -> bool:
    """Check for `ulimit -v` and for a kernel that promises no more memory than it has."""
    import resource

    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        return True
    overcommit = Path("/proc/sys/vm/overcommit_memory")
    return overcommit.exists() and overcommit.read_text().strip() == "2"
