"""The rank of this process among those that the launcher started; otherwise the only one."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from temper.core import errors
from temper.core.errors import InputError

if TYPE_CHECKING:
    import torch

    from temper.params import Params
    from temper.params.train import TrainParams

USE_DDP = "use train.launch: multi_gpu"


def world_size() -> int:
    """Return the number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def check_in_batch_loss(parameters: "Params", num_processes: int) -> None:
    """Refuse several processes where the rows of a batch are compared with each other."""
    if parameters.task.has_in_batch_loss and num_processes > 1:
        raise InputError(
            f"launch/{parameters.train.launch}.yaml starts {num_processes} processes, and the loss "
            f"of {parameters.task.name} compares all rows of a batch: set train.launch to single"
        )


def rank() -> int:
    return int(os.environ.get("RANK", "0"))


def is_main_process() -> bool:
    """Check whether this is rank 0, the process that prints and writes for all."""
    return rank() == 0


def is_first_here() -> bool:
    """Check whether this is the process that speaks for all on this machine."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def print_once(message: str) -> None:
    """Print a message on the main process only."""
    if is_main_process():
        print(message)


def any_rank(flag: bool, device: "torch.device") -> bool:
    """Check whether `flag` is true on any rank; collective, the same answer on all ranks."""
    if world_size() == 1:
        return flag  # a look at the device would wait for it
    import torch
    from accelerate.utils import reduce

    return bool(reduce(torch.tensor(int(flag), device=device), "sum"))


def wait_for_everyone() -> None:
    """Wait for the other ranks, if there are any."""
    if world_size() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()


def restrict_visible_gpus(launch: str) -> None:
    """Show a single process one GPU, so that `single` uses exactly one; `cpu_…` none."""
    if launch.startswith("cpu"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif world_size() == 1:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[0]


def take_over_sharding() -> None:
    """Keep from accelerate that the launch file is of type FSDP; see docs/adr/0032."""
    if os.environ.pop("ACCELERATE_USE_FSDP", "false") == "true":
        os.environ["TEMPER_FSDP"] = "true"


def is_sharded() -> bool:
    """Check whether the weights are sharded over the processes."""
    return "TEMPER_FSDP" in os.environ


def sharding_conflicts(params: "TrainParams") -> dict[str, str]:
    """Return what does not go with sharded weights, by key."""
    averaging, conflicts = params.weight_averaging, {}
    if averaging is not None and averaging.kind == "ema":
        conflicts["train.weight_averaging"] = "ema is not sharded: use last or best"
    if params.optimizer == "adamw_8bit":
        conflicts["train.optimizer"] = "adamw_8bit takes no sharded weights: use null"
    if params.precision == "fp16":
        conflicts["train.precision"] = "the loss scale of fp16 is not shared: use bf16"
    return conflicts


@contextmanager
def explaining_lost_processes() -> Iterator[None]:
    """Say in one line that another process of this training cannot be reached, and why.

    Raises:
        InputError: it cannot; other processes of this machine exit without a word.
    """
    try:
        yield
    except RuntimeError as error:
        if world_size() == 1:
            raise
        from accelerate.utils.memory import should_reduce_batch_size
        from torch.distributed import DistError

        is_of_communication = isinstance(error, DistError) or "gloo" in str(error).lower()
        if should_reduce_batch_size(error) or not is_of_communication:
            raise
        if not is_first_here():
            sys.exit(1)
        reason = re.sub(r"\S+\.(cc|cpp|hpp):\d+\S* ", "", errors.first_line(error)).split(". ")[0]
        raise InputError(
            f"communication with another process of this training failed: {reason:.200}; if it has "
            "ended, look there for why; run the same command on every machine again to resume"
        ) from error
