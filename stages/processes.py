"""This process among those that `accelerate launch` started; alone where it did not."""

import os


def world_size() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Tell whether this process speaks and writes for all."""
    return os.environ.get("RANK", "0") == "0"
