"""The rank of this process among those that the launcher started; otherwise the only one."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def world_size() -> int:
    """Return the number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    return int(os.environ.get("RANK", "0"))


def is_main_process() -> bool:
    """Check whether this is rank 0, the process that prints and writes for all."""
    return rank() == 0


def any_rank(flag: bool, device: "torch.device") -> bool:
    """Check whether `flag` is true on any rank; collective, the same answer on all ranks."""
    if world_size() == 1:
        return flag  # a look at the device would wait for it
    import torch
    from accelerate.utils import reduce

    return bool(reduce(torch.tensor(int(flag), device=device), "sum"))


def print_once(message: str) -> None:
    """Print a message on the main process only."""
    if is_main_process():
        print(message)


def restrict_visible_gpus(launch: str) -> None:
    """Show a single process one GPU, so that `single` uses exactly one; `cpu_…` none."""
    if launch.startswith("cpu"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif world_size() == 1:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[0]


def wait_for_everyone() -> None:
    """Wait for the other ranks, if there are any."""
    if world_size() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()
