"""Custom functions of `train` → the same, which raise InputError for a result of the wrong kind."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback

from temper.core.errors import InputError
from temper.params import user_code
from temper.params.schema import Params
from temper.params.user_code import kind_of


def loss(parameters: Params) -> Callable | None:
    """Return the function that `train.loss` names, which raises InputError unless it sums up."""
    name = parameters.train.loss
    function = user_code.resolve(name, "train.loss", parameters.code)
    if function is None:
        return None

    def checked(logits: Any, labels: Any, **kwargs: Any) -> Any:
        value = function(logits, labels, **kwargs)
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            raise InputError(
                f"train.loss: {name} must return one number, the sum over labels, as a tensor; "
                f"found {kind_of(value)}"
            )
        if logits.requires_grad and not value.requires_grad:
            raise InputError(f"train.loss: {name} returns a number without a gradient to logits")
        return value

    return checked


def collator(parameters: Params, collate: Callable) -> Callable:
    """Return the task's collator, or the one that `train.collator` names with it as an argument.

    That one raises InputError unless it returns arrays, the labels of each row among them.
    """
    name = parameters.train.collator
    function = user_code.resolve(name, "train.collator", parameters.code)
    if function is None:
        return collate

    def checked(rows: Sequence[Any]) -> dict:
        batch = function(rows, collate)
        if not isinstance(batch, Mapping) or "labels" not in batch:
            raise InputError(
                f"train.collator: {name} must return the arrays of collate(rows), labels among "
                f"them; found {kind_of(batch)}"
            )
        for key, values in batch.items():
            if not isinstance(values, np.ndarray):
                raise InputError(
                    f"train.collator: {name} must return numpy arrays; {key} is {kind_of(values)}"
                )
        if len(batch["labels"]) != len(rows):
            raise InputError(
                f"train.collator: {name} must return each row; found labels of "
                f"{len(batch['labels'])} of {len(rows)} rows"
            )
        return dict(batch)

    return checked


def optimizer(parameters: Params) -> Callable | None:
    """Return the function that `train.optimizer` names, which raises InputError unless it is one.

    None without one, and for a name that is not in a file under `code`.
    """
    name = parameters.train.optimizer
    if name == "adamw_8bit":
        return None
    function = user_code.resolve(name, "train.optimizer", parameters.code)
    if function is None:
        return None

    def checked(groups: list, params: Any) -> Any:
        built = function(groups, params)
        if not isinstance(built, torch.optim.Optimizer):
            raise InputError(
                f"train.optimizer: {name} must return a torch optimizer; found {kind_of(built)}"
            )
        return built

    return checked


def callbacks(parameters: Params) -> list[type]:
    """Return the classes that `train.callbacks` names.

    Raises:
        InputError: one is no TrainerCallback, or needs arguments.
    """
    classes = []
    for name in parameters.train.callbacks or ():
        found = user_code.resolve(name, "train.callbacks", parameters.code)
        if not isinstance(found, type) or not issubclass(found, TrainerCallback):
            raise InputError(
                f"train.callbacks: {name} must be a class, a transformers.TrainerCallback; found "
                f"{kind_of(found)}"
            )
        needed = [
            p.name
            for p in inspect.signature(found).parameters.values()
            if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        if needed:
            raise InputError(
                f"train.callbacks: {name} is constructed without arguments, and needs "
                f"{', '.join(needed)}"
            )
        classes.append(found)
    return classes
