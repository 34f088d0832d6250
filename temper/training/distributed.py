"""This process among those that `accelerate launch` started; alone where it did not."""

import os


def world_size() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Tell whether this process speaks and writes for all."""
    return os.environ.get("RANK", "0") == "0"


def use_devices(launch: str) -> None:
    """Let a run of one process see one GPU, so that `single` uses exactly one; `cpu_…` none."""
    if launch.startswith("cpu"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif world_size() == 1:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[0]
