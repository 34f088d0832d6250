"""A model → its optimizer (AdamW; no decay on biases and norms, a rate per layer) and schedule."""

import math
import re
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from temper.core.errors import InputError
from temper.models import loading

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler
    from transformers import PreTrainedModel

    from temper.models.heads import ModelWithHead
    from temper.params.train import Freeze, TrainParams

Model: TypeAlias = "PreTrainedModel | ModelWithHead"
ParameterGroup = dict[str, Any]  # params, lr, weight_decay
BuildOptimizer: TypeAlias = "Callable[[list[ParameterGroup], TrainParams], Optimizer] | None"


def layers(model: Model) -> list["nn.Module"]:
    """Return the layers, bottom first; those of an encoder come before those of its decoder.

    They are the model's outermost ModuleList; in a vision model with stages, the stages.

    Raises:
        InputError: the model has no such list, or several side by side.
    """
    from torch.nn import ModuleList

    lists: dict[str, ModuleList] = {}
    for name, module in model.base_model.named_modules():
        is_nested = any(name.startswith(f"{outer}.") for outer in lists)
        if isinstance(module, ModuleList) and len(module) and not is_nested:
            lists[name] = module
    num_expected = 2 if getattr(model.config, "is_encoder_decoder", False) else 1
    if len(lists) != num_expected:
        names = f"{len(lists)} lists of layers ({', '.join(lists)})"
        raise InputError(
            f"{type(model).__name__} has {names if lists else 'no list of layers'}: set "
            "train.freeze.layers to 0 or all, and train.layer_decay to 1.0"
        )
    return [layer for module_list in lists.values() for layer in module_list]


def embeddings(model: Model) -> "nn.Module":
    """Return the module that embeds the input, or else the input embedding table.

    Raises:
        InputError: the model has neither.
    """
    for name in ("embeddings", "embedder"):
        if getattr(model.base_model, name, None) is not None:
            return getattr(model.base_model, name)
    try:
        return model.get_input_embeddings()
    except NotImplementedError:
        raise InputError(
            f"{type(model).__name__} has no embeddings: set train.freeze.embeddings to false, and "
            "train.layer_decay to 1.0"
        ) from None


def freeze(model: Model, params: "Freeze") -> None:
    """Freeze the embeddings and the first layers, or everything but the head.

    Raises:
        InputError: the model has fewer layers, or nothing is left to train.
    """
    frozen = [embeddings(model)] if params.embeddings and params.layers != "all" else []
    if params.layers == "all":
        prefix = loading.backbone_prefix(model)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(loading.is_head_tensor(name, prefix))
    elif params.layers:
        all_layers = layers(model)
        if params.layers > len(all_layers):
            raise InputError(
                f"train.freeze.layers is {params.layers}; the model has {len(all_layers)}"
            )
        frozen += all_layers[: params.layers]
    for module in frozen:
        module.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InputError("train.freeze leaves nothing to train")


def parameter_groups(model: Model, params: "TrainParams") -> list[ParameterGroup]:
    """Return AdamW's groups: one per (learning rate, decay or none), in order of the parameters.

    The rate of depth d of n is `learning_rate * layer_decay ** (n - d)`: the head has depth n,
    the layers below it n-1 … 1, the embeddings 0 (Howard & Ruder 2018). `head_learning_rate`
    replaces it for everything outside the backbone.

    Raises:
        InputError: `head_learning_rate` is set and there is no head.
    """
    depths, top = _depths(model) if params.layer_decay < 1 else ({}, 0)
    norms = {
        id(parameter)
        for module in model.modules()
        if re.search("norm", type(module).__name__, re.IGNORECASE)
        for parameter in module.parameters(recurse=False)
    }
    groups: dict[tuple[int, bool], ParameterGroup] = {}
    prefix, head_rate = loading.backbone_prefix(model), params.head_learning_rate
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        decays = id(parameter) not in norms and not name.endswith("bias")
        depth = depths.get(id(parameter), top)
        rate = params.learning_rate * params.layer_decay ** (top - depth)
        if head_rate is not None and not name.startswith(prefix):
            depth, rate = top + 1, head_rate
        decay = params.weight_decay if decays else 0.0
        group = {"params": [], "lr": rate, "weight_decay": decay}
        groups.setdefault((depth, decays), group)["params"].append(parameter)
    if head_rate is not None and not any(depth > top for depth, _ in groups):
        raise InputError(
            f"train.head_learning_rate: {type(model).__name__} has no head besides its backbone; "
            "set it to null"
        )
    return list(groups.values())


def _depths(model: Model) -> tuple[dict[int, int], int]:
    """Return the depth of each backbone parameter by its id, and the depth of the head."""
    all_layers = layers(model)
    depths = {id(p): 0 for p in embeddings(model).parameters()}
    depths |= {id(p): i for i, layer in enumerate(all_layers, 1) for p in layer.parameters()}
    return depths, len(all_layers) + 1


def check(model: Model, params: "TrainParams", num_training_steps: int) -> None:
    """Check before anything is trained that optimizer and schedule can be built.

    Raises:
        InputError: as from `parameter_groups`, `check_decay` and `adamw_8bit_class`.
    """
    parameter_groups(model, params)
    check_decay(params, num_training_steps)
    if params.optimizer == "adamw_8bit":
        adamw_8bit_class()


def build_optimizer(
    model: Model, params: "TrainParams", build_custom: BuildOptimizer = None
) -> "Optimizer":
    """Build AdamW (Loshchilov & Hutter 2019), fused or in 8 bits; or the custom optimizer.

    Raises:
        InputError: 8 bits without a GPU or without bitsandbytes.
    """
    import torch

    groups = parameter_groups(model, params)
    if build_custom is not None:
        return build_custom(groups, params)
    if params.optimizer == "adamw_8bit":
        adamw, options = adamw_8bit_class(), {}
    else:
        adamw = torch.optim.AdamW
        options = {"fused": next(model.parameters()).device.type != "xla"}  # it fuses by itself
    betas = (params.adam_beta1, params.adam_beta2)
    return adamw(groups, lr=params.learning_rate, betas=betas, eps=params.adam_epsilon, **options)


def build_lr_scheduler(
    optimizer: "Optimizer",
    params: "TrainParams",
    num_training_steps: int,
    schedule: "Callable[[int, int], float] | None" = None,
) -> "LRScheduler":
    """Build transformers' learning-rate schedule, or one from a custom function.

    That one is called with the step, from 0, and the number of steps. After the last step, whose
    rate nothing uses, it is called with the last one again.

    Raises:
        InputError: warm-up and decay together are longer than the training.
    """
    from transformers import get_scheduler

    if schedule is not None:
        from torch.optim.lr_scheduler import LambdaLR

        last = num_training_steps - 1
        return LambdaLR(optimizer, lambda step: schedule(min(step, last), num_training_steps))
    options = params.lr_scheduler_kwargs
    optimizer.defaults["lr"] = params.learning_rate  # which transformers reads as the peak
    return get_scheduler(
        params.lr_scheduler_type,
        optimizer,
        num_warmup_steps=check_decay(params, num_training_steps),
        num_training_steps=num_training_steps,
        scheduler_specific_kwargs=options.model_dump(exclude_none=True) if options else {},
    )


def num_steps(params: "TrainParams", steps_per_epoch: int) -> int:
    """Return the steps of a training; a part of a step is one more."""
    return math.ceil(round(params.epochs * steps_per_epoch, 6))  # 1.1 x 100 is 110.00000000000001


def check_decay(params: "TrainParams", num_training_steps: int) -> int:
    """Return the steps of warm-up.

    Raises:
        InputError: they, or they and those of the decay, are longer than the training.
    """
    options = params.lr_scheduler_kwargs
    decay = (options.num_decay_steps if options else None) or 0
    warmup = params.warmup_steps or int(round(params.warmup_ratio * num_training_steps, 6))
    if warmup > num_training_steps:
        raise InputError(
            f"train.warmup_steps: {warmup} steps of warm-up are more than the {num_training_steps} "
            "there are"
        )
    if warmup + decay > num_training_steps:
        raise InputError(
            f"train.lr_scheduler_kwargs.num_decay_steps: {warmup} steps of warm-up and {decay} of "
            f"decay are more than the {num_training_steps} there are"
        )
    return warmup


def adamw_8bit_class() -> "Callable[..., Optimizer]":
    """Import bitsandbytes' AdamW with 8-bit moments (Dettmers et al. 2022).

    Raises:
        InputError: there is no GPU, or bitsandbytes is not installed.
    """
    import torch

    if not torch.cuda.is_available():
        raise InputError("train.optimizer: adamw_8bit needs a GPU, and there is none; use null")
    try:
        return import_module("bitsandbytes.optim").AdamW8bit  # not a dependency
    except ImportError:
        raise InputError("train.optimizer: adamw_8bit: pip install bitsandbytes") from None
