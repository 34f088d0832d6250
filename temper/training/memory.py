"""A batch that does not fit → half as many examples at once, twice as many pieces.

The global batch stays what `train.batch_size` says. The decision is written beside the checkpoints,
and training starts over with it, so its weights are those of a run that was started so: a run that
is killed and resumed takes the same decision from there.
"""

import gc
import shutil
import sys
from pathlib import Path
from typing import Any

from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

from temper.core import artifacts
from temper.core.errors import InputError

DECISION = "memory.json"
SIGNS = ("bad allocation", "bad_alloc", "could not create a primitive", "Cannot allocate memory")


class OutOfMemory(Exception):
    """A device has no room for a batch.

    Args:
        reason: the allocator's words.
        agreed: whether every process raises it; alone, one cannot start over.
    """

    def __init__(self, reason: str, *, agreed: bool):
        super().__init__(reason)
        self.agreed = agreed


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether an error says that memory ran out, on a GPU or the CPU."""
    known = isinstance(error, MemoryError) or should_reduce_batch_size(error)
    return known or (isinstance(error, RuntimeError) and any(s in str(error) for s in SIGNS))


def with_fitted_batch_size(
    params: Any, folder: Path, per_device_batch_size: int | None = None
) -> Any:
    """Return `params` with the examples at once that were found to fit, here or as `at_once`."""
    decision = folder / DECISION
    if decision.exists():
        return params.model_copy(update=artifacts.read_json(decision))
    return (
        params
        if per_device_batch_size is None
        else params.model_copy(update={"per_device_batch_size": per_device_batch_size})
    )


def halve_batch_size(
    params: Any, folder: Path, world_size: int, reason: str, *, first: bool
) -> Any:
    """Return `params` with half the examples at once; drop the checkpoints made with more.

    Every process comes to the same answer; the first one says it and writes it down.

    Args:
        params: of train, as they were when memory ran out.
        folder: of the fingerprint.
        world_size: processes.
        reason: the allocator's words.
        first: whether this is the first process.

    Raises:
        InputError: one example at once is too many.
    """
    whole = params.per_device_batch_size or params.batch_size // world_size
    if whole == 1:
        raise InputError(
            f"out of memory with one example at once ({reason}): lower tokenize.max_length, use "
            "train.gradient_checkpointing, train.precision: bf16, or a smaller model"
        )
    half = whole // 2
    while params.batch_size % (half * world_size):
        half -= 1
    if first:
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        artifacts.write_json(folder / DECISION, {"per_device_batch_size": half})
        print(
            f"out of memory with {whole} examples at once: starting over with {half}, "
            f"{params.batch_size // (half * world_size)} pieces a batch; train.batch_size stays "
            f"{params.batch_size}. To have it so from the start: train.per_device_batch_size: "
            f"{half}",
            file=sys.stderr,
        )
    return params.model_copy(update={"per_device_batch_size": half})


def free() -> None:
    """Give back what a failed attempt still holds."""
    gc.collect()
    clear_device_cache()
