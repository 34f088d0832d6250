"""Custom functions of `train` → the same, which raise InputError for a result of the wrong kind."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PretrainedConfig, TrainerCallback

from temper.core.errors import InputError
from temper.params import user_code
from temper.params.schema import Params
from temper.params.user_code import kind_of


def model_class(parameters: Params) -> Callable[[PretrainedConfig], nn.Module] | None:
    """Return the class that `model.custom_class` names, which rebuilds what was saved."""
    name = parameters.model.custom_class
    return user_code.resolve(name, "model.custom_class", parameters.code)


def loss(parameters: Params) -> Callable | None:
    """Return the function that `train.loss` names, which raises InputError unless it sums up."""
    function, name = _resolve(parameters, "loss")
    if function is None:
        return None

    def checked(logits: Any, labels: Any, **kwargs: Any) -> Any:
        value = function(logits, labels, **kwargs)
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            must = "must return one number, the sum over labels, as a tensor"
            raise InputError(f"{name} {must}; found {kind_of(value)}")
        if logits.requires_grad and not value.requires_grad:
            raise InputError(f"{name} returns a number without a gradient to logits")
        return value

    return checked


def collator(parameters: Params, collate: Callable) -> Callable:
    """Return the task's collator, or the one that `train.collator` names with it as an argument.

    That one raises InputError unless it returns arrays, the labels of each row among them.
    """
    function, name = _resolve(parameters, "collator")
    if function is None:
        return collate

    def checked(rows: Sequence[Any]) -> dict:
        batch = function(rows, collate)
        if not isinstance(batch, Mapping) or "labels" not in batch:
            must = "must return the arrays of collate(rows), labels among them"
            raise InputError(f"{name} {must}; found {kind_of(batch)}")
        for key, values in batch.items():
            if not isinstance(values, np.ndarray):
                raise InputError(f"{name} must return numpy arrays; {key} is {kind_of(values)}")
        if len(batch["labels"]) != len(rows):
            found = f"labels of {len(batch['labels'])} of {len(rows)} rows"
            raise InputError(f"{name} must return each row; found {found}")
        return dict(batch)

    return checked


def optimizer(parameters: Params) -> Callable | None:
    """Return the function that `train.optimizer` names, which raises InputError unless it is one.

    None without one, and for a name that is not in a file under `code`.
    """
    if parameters.train.optimizer == "adamw_8bit":
        return None
    function, name = _resolve(parameters, "optimizer")
    if function is None:
        return None

    def checked(groups: list, params: Any) -> Any:
        built = function(groups, params)
        if not isinstance(built, torch.optim.Optimizer):
            raise InputError(f"{name} must return a torch optimizer; found {kind_of(built)}")
        return built

    return checked


def lr_schedule(parameters: Params) -> Callable[[int, int], float] | None:
    """Return the function that `train.lr_scheduler_type` names, None for one of transformers.

    It raises InputError unless it returns a factor of the learning rate.
    """
    if "." not in parameters.train.lr_scheduler_type:
        return None
    function, name = _resolve(parameters, "lr_scheduler_type")

    def checked(step: int, num_steps: int) -> float:
        value = function(step, num_steps)
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise InputError(f"{name} must return a number; found {kind_of(value)}")
        if not 0 <= value < float("inf"):
            raise InputError(
                f"{name} must return a factor of the learning rate, from 0; found {value} at step "
                f"{step} of {num_steps}"
            )
        return float(value)

    return checked


def _resolve(parameters: Params, key: str) -> tuple[Any, str]:
    """Return the function that a key of `train` names, or None, and what errors call it."""
    name, key = getattr(parameters.train, key), f"train.{key}"
    return user_code.resolve(name, key, parameters.code), f"{key}: {name}"


def callbacks(parameters: Params) -> list[type]:
    """Return the classes that `train.callbacks` names.

    Raises:
        InputError: one is no TrainerCallback, or needs arguments.
    """
    classes = []
    for name in parameters.train.callbacks or ():
        found = user_code.resolve(name, "train.callbacks", parameters.code)
        if not isinstance(found, type) or not issubclass(found, TrainerCallback):
            must = "must be a class, a transformers.TrainerCallback"
            raise InputError(f"train.callbacks: {name} {must}; found {kind_of(found)}")
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
