"""The rank of this process among those that the launcher started; otherwise the only one."""

import os


def world_size() -> int:
    """Return the number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Check whether this is rank 0, the process that prints and writes for all."""
    return os.environ.get("RANK", "0") == "0"


def restrict_visible_gpus(launch: str) -> None:
    """Show a single process one GPU, so that `single` uses exactly one; `cpu_…` none."""
    if launch.startswith("cpu"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif world_size() == 1:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[0]
