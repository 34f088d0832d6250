"""A model → AdamW over parameter groups: no decay on biases and norms, a rate per layer."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from temper.core.errors import InputError
from temper.models import loading

if TYPE_CHECKING:
    from temper.params.train import TrainParams


def layers(model: Any) -> list[Any]:
    """Return the layers, bottom first; those of an encoder come before those of its decoder.

    They are the list of modules that stands in no other one: of a model in stages, the stages.

    Raises:
        InputError: the model has no such list, or several side by side.
    """
    from torch.nn import ModuleList

    found: dict[str, Any] = {}
    for name, module in model.base_model.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer in found)
        if isinstance(module, ModuleList) and len(module) and not inside:
            found[name] = module
    parts = 2 if getattr(model.config, "is_encoder_decoder", False) else 1
    if len(found) != parts:
        have = (
            f"{len(found)} lists of layers ({', '.join(found)})" if found else "no list of layers"
        )
        raise InputError(
            f"{type(model).__name__} has {have}: set train.freeze.layers to 0 or all, and "
            "train.layer_decay to 1.0"
        )
    return [layer for one in found.values() for layer in one]


def embeddings(model: Any) -> Any:
    """Return the module that embeds the input: all of it, or the table of input vectors.

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


def freeze(model: Any, *, embedding_table: bool, num_layers: int | str) -> None:
    """Take the embeddings and the first `num_layers` layers out of training; `all`: but the head.

    Raises:
        InputError: the model has fewer layers.
    """
    if num_layers == "all":
        prefix = loading.backbone_prefix(model)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(loading.is_head_tensor(name, prefix))
        return
    frozen = [embeddings(model)] if embedding_table else []
    if isinstance(num_layers, int) and num_layers:
        found = layers(model)
        if num_layers > len(found):
            raise InputError(f"train.freeze.layers is {num_layers}; the model has {len(found)}")
        frozen += found[:num_layers]
    for module in frozen:
        module.requires_grad_(False)


def parameter_groups(model: Any, params: "TrainParams") -> list[dict[str, Any]]:
    """Return AdamW's groups: one per (learning rate, decay or none), in order of the parameters.

    The rate of depth d of n is `learning_rate * layer_decay ** (n - d)`: the head has depth n,
    the layers below it n-1 … 1, the embeddings 0 (Howard & Ruder 2018). `head_learning_rate` takes
    its place for what is not the backbone's.

    Raises:
        InputError: nothing is trained, or there is no head for its rate.
    """
    depth: dict[int, int] = {}
    top = 0
    if params.layer_decay < 1:
        found = layers(model)
        top = len(found) + 1
        depth |= {id(p): 0 for p in embeddings(model).parameters()}
        depth |= {id(p): i for i, layer in enumerate(found, 1) for p in layer.parameters()}
    plain = {id(p) for m in model.modules() if _is_norm(m) for p in m.parameters(recurse=False)}
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    prefix, of_head = loading.backbone_prefix(model), params.head_learning_rate
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        decays = id(parameter) not in plain and not name.endswith("bias")
        level = depth.get(id(parameter), top)
        rate = params.learning_rate * params.layer_decay ** (top - level)
        if of_head is not None and not name.startswith(prefix):
            level, rate = top + 1, of_head
        decay = params.weight_decay if decays else 0.0
        group = {"params": [], "lr": rate, "weight_decay": decay}
        groups.setdefault((level, decays), group)["params"].append(parameter)
    if not groups:
        raise InputError("train.freeze leaves nothing to train")
    if of_head is not None and not any(level > top for level, _ in groups):
        raise InputError(
            f"train.head_learning_rate: {type(model).__name__} has no head of its own beside its "
            "backbone; set it to null"
        )
    return list(groups.values())


def build_optimizer(
    model: Any, params: "TrainParams", own: Callable[..., Any] | None = None
) -> Any:
    """Return AdamW (Loshchilov & Hutter 2019), fused; in 8 bits; or what a user's function makes.

    Args:
        model: its parameters that are trained make the groups.
        params: rates, decay, AdamW's own.
        own: a function of `(groups, params)`.

    Raises:
        InputError: 8 bits without a GPU or without bitsandbytes.
    """
    import torch

    groups = parameter_groups(model, params)
    if own is not None:
        return own(groups, params)
    if params.optimizer == "adamw_8bit":
        return eight_bit()(
            groups,
            lr=params.learning_rate,
            betas=(params.adam_beta1, params.adam_beta2),
            eps=params.adam_epsilon,
        )
    return torch.optim.AdamW(
        groups,
        lr=params.learning_rate,
        betas=(params.adam_beta1, params.adam_beta2),
        eps=params.adam_epsilon,
        fused=next(model.parameters()).device.type != "xla",  # XLA fuses by itself
    )


def schedule(optimizer: Any, params: "TrainParams", total_steps: int) -> Any:
    """Return transformers' learning-rate schedule over `total_steps`.

    Raises:
        InputError: warm-up and decay together are longer.
    """
    from transformers import get_scheduler

    options = params.lr_scheduler_kwargs
    more = {} if options is None else options.model_dump(exclude_none=True)
    optimizer.defaults["lr"] = params.learning_rate  # what transformers takes for the peak
    warmup_steps = int(params.warmup_ratio * total_steps)
    if warmup_steps + more.get("num_decay_steps", 0) > total_steps:
        raise InputError(
            f"train.lr_scheduler_kwargs.num_decay_steps: {warmup_steps} steps of warm-up and "
            f"{more['num_decay_steps']} of decay are more than the {total_steps} there are"
        )
    return get_scheduler(
        params.lr_scheduler_type,
        optimizer,
        num_warmup_steps=warmup_steps,
        num_training_steps=total_steps,
        scheduler_specific_kwargs=more,
    )


def eight_bit() -> Any:
    """Return bitsandbytes' AdamW with moments in 8 bits (Dettmers et al. 2022)."""
    import torch

    if not torch.cuda.is_available():
        raise InputError("train.optimizer: adamw_8bit needs a GPU, and none is here; use null")
    try:
        from bitsandbytes.optim import AdamW8bit  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise InputError("train.optimizer: adamw_8bit: pip install bitsandbytes") from None
    return AdamW8bit


def _is_norm(module: Any) -> bool:
    return bool(re.search(r"norm", type(module).__name__, re.IGNORECASE))
