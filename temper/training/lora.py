"""LoRA adapters (Hu et al. 2022): into a network's linear layers, and merged into their weights."""

import copy
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from temper.core.errors import InputError, alternatives
from temper.models import loading
from temper.params.model import ModelParams

if TYPE_CHECKING:
    from temper.training.optimizer import Model


def add_lora(network: "Model", params: ModelParams) -> None:
    """Freeze the backbone and add the adapters of `params.lora` to its linear layers.

    The head is trained in full, and so are the input embeddings if `params` adds tokens.

    Raises:
        InputError: no layer has one of the names.
    """
    from peft import LoraConfig, inject_adapter_in_model

    assert params.lora is not None
    prefix, targets = loading.backbone_prefix(network), lora_targets(network, params)
    is_conv1d = any(isinstance(network.get_submodule(name), Conv1D) for name in targets)
    head = {n for n, _ in network.named_parameters() if loading.is_head_tensor(n, prefix)}
    alpha: Any = params.lora.alpha  # peft declares an int
    config = LoraConfig(
        r=params.lora.rank,
        lora_alpha=alpha,
        lora_dropout=params.lora.dropout,
        target_modules=targets,
        fan_in_fan_out=is_conv1d,  # GPT-2's layers, whose weights are (inputs, outputs)
    )
    inject_adapter_in_model(config, network)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(".lora_" in name or name in head)
    if params.new_tokens:
        network.get_input_embeddings().requires_grad_(True)


def lora_targets(network: nn.Module, params: ModelParams) -> list[str]:
    """Return the names of the backbone's linear layers that get an adapter.

    Raises:
        InputError: a name that no layer has.
    """
    prefix, names = loading.backbone_prefix(network), params.lora and params.lora.target_modules
    linear = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and not loading.is_head_tensor(name, prefix)
    ]
    known = sorted({name.split(".")[-1] for name in linear})
    missing = [name for name in names or () if name not in known]
    if missing:
        raise InputError(
            f"model.lora.target_modules: no linear layer is named {', '.join(missing)}"
            f"{alternatives(missing[0], known)}"
        )
    if not linear:
        raise InputError(f"model.lora: {type(network).__name__} has no linear layer below its head")
    return [name for name in linear if names is None or name.split(".")[-1] in names]


def merge_lora(network: nn.Module) -> nn.Module:
    """Return a copy with the adapters merged into the weights; without LoRA the network itself."""
    if find_spec("peft") is None or not any(".lora_" in n for n, _ in network.named_parameters()):
        return network
    from peft.tuners.tuners_utils import BaseTunerLayer

    network = copy.deepcopy(network)
    for name, module in list(network.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            network.set_submodule(name, module.get_base_layer())
    return network
