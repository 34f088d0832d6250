"""Parameters, data and the user's own functions → what a training is made of.

The engines take a `Job` and nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from stages import fitting, metrics, models, own, tasks
from stages.errors import InputError
from stages.groups import Params
from stages.tasks import arrays
from stages.tasks.base import Collator, Task
from stages.tracking import reporters
from stages.training import losses, model, optimizer
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


def make(parameters: Params, data: Any, base: Path, folder: Path, observe: Any, seed: int) -> Any:
    """Join parameters, data and functions to what the engine trains."""
    train, name = data["train"], parameters.task.metrics
    best = own.last(parameters.train.best_metric)
    p = parameters.train.model_copy(update={"best_metric": best})
    task = tasks.load(parameters, train.features)
    if not task.is_labelled(train):
        raise InputError("the training split has no labels; nothing can be learned from it")
    validation = data.get("validation")
    scored = validation is not None and task.is_labelled(validation)
    if not scored and (users := fitting.users_of_validation(p)):
        raise InputError(
            f"there is no labelled validation split, but {', '.join(users)} needs one; set "
            "data.split.validation"
        )
    processor = tasks.load_processor(base / "processor", task)
    config = models.open_config(base / "weights")
    task.configure(config, train.features)
    is_crf = model.has_crf(config, parameters)
    is_text = parameters.tokenize.max_length is not None
    code = parameters.code
    optimizer_of = None if p.optimizer == "adamw_8bit" else p.optimizer
    own_optimizer = own.resolve(optimizer_of, "train.optimizer", code)
    functions = own.trained_metric(parameters)
    callbacks = [own.resolve(name, "train.callbacks", code) for name in p.callbacks or ()]
    return Job(
        params=p,
        seed=seed,
        train=train,
        validation=validation if scored else None,
        collate=around(
            own.resolve(p.collator, "train.collator", code),
            task.collator(processor, config, p.augmentation),
        ),
        validation_collate=task.collator(processor, config),
        width=(lambda longest: arrays.padded_width([longest], parameters)) if is_text else None,
        one_shape=parameters.tokenize.padding == "max_length",
        task=task,
        loss=own.resolve(p.loss, "train.loss", code)
        or make_loss(parameters, train, task, is_crf=is_crf),
        divergence=losses.divergence(task.loss),
        scores=scoring(name, task.names, functions),
        greater=metrics.greater_is_better(p.best_metric, name, functions),
        make_optimizer=partial(optimizer.make, own=own_optimizer),
        callbacks=reporters.callbacks(parameters, folder.name) + [make() for make in callbacks],
        folder=folder,
        observe=observe,
    )


def make_loss(parameters: Params, dataset: Any, task: tasks.Task, *, is_crf: bool) -> Loss:
    """Return the training loss with its class weights, balanced ones from the training labels."""
    p, weights = parameters.train, parameters.train.class_weights
    if weights == "balanced":
        ids = np.concatenate([np.atleast_1d(labels) for labels in dataset["labels"]]).astype(int)
        counts = np.bincount(ids[ids >= 0], minlength=len(task.names))
        several = task.loss == "binary_cross_entropy"
        weights = losses.balanced_weights(counts, len(dataset) if several else None)
    if weights is not None and len(weights) != len(task.names):
        raise InputError(
            f"train.class_weights has {len(weights)} numbers for {len(task.names)} labels"
        )
    return losses.make(
        "crf" if is_crf else task.loss,
        label_smoothing=p.label_smoothing,
        class_weights=weights,
        focal_gamma=p.focal_gamma or 0.0,
        huber_delta=p.huber_delta,
    )


def scoring(name: str, names: list[str], functions: dict[str, Any]) -> Any:
    """Return the task's metrics, and the user's, as a function of predictions and references."""
    if not metrics.is_of_labels(name):
        return lambda found, wanted, **options: (
            metrics.score(name, found, wanted, **options) | own.scores(functions, found, wanted)
        )

    def scores(found: Any, wanted: Any, **options: Any) -> dict[str, float]:
        plain = metrics.with_loss(name, found, wanted, **options)
        if not functions:
            return plain
        sides = metrics.decided(name, found), wanted
        return plain | own.scores(functions, *(metrics.as_read(name, s, names) for s in sides))

    return scores


def around(function: Any, collate: Collator) -> Collator:
    """Return a user's collator of `(rows, collate)` as one of rows; None leaves the task's."""
    return collate if function is None else lambda rows: function(rows, collate)
