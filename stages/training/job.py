"""What a training is made of: the engines take this and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.tasks.base import Collator, Task
from stages.training.losses import Divergence, Loss

Observer = Callable[[str, dict[str, float], int], None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a training is made of, and where its checkpoints go."""

    params: Any  # TrainParams
    seed: int
    train: Any
    validation: Any | None  # None: nothing to score
    collate: Collator
    validation_collate: Collator  # without augmentation
    width: Callable[[int], int] | None  # from the longest row to the padded width; None: no text
    one_shape: bool  # whether every batch is filled up to the same number of rows
    task: Task
    loss: Loss
    divergence: Divergence  # of two passes over the same rows, for R-Drop
    scores: Callable[..., dict[str, float]]  # of predictions and references
    greater: bool  # whether best_metric is better when greater
    make_optimizer: Callable[[Any, Any], Any]  # of the model and params
    callbacks: Sequence[Any]  # reporters, and the user's own
    folder: Path
    observe: Observer  # (prefix, numbers, step): the console and the tracker
