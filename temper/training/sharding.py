"""A launch file of type FSDP → weights, gradients and optimizer state sharded over the processes.

It is torch's FSDP2. Checkpoints and weights are gathered and hold whole tensors, so they are those
of any other training.
"""

import copy
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer
from torch.utils import _pytree as pytree

from temper.core.errors import InputError
from temper.params.train import TrainParams
from temper.training import distributed
from temper.training.distributed import USE_DDP
from temper.training.optimizer import layers

if TYPE_CHECKING:
    from accelerate import Accelerator

    from temper.training.optimizer import Model

State = dict[str, Any]


def shard_network(network: "Model", params: TrainParams, device: torch.device) -> nn.Module | None:
    """Shard a network in place, each layer by itself, if the launch file is of type FSDP.

    Args:
        network: with the same weights on each process.
        params: of its training.
        device: of this process.

    Returns:
        A copy without weights, which `gather_network` fills; None if nothing is sharded.

    Raises:
        InputError: something does not go with sharded weights.
    """
    if not distributed.is_sharded():
        return None
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    for key, message in distributed.sharding_conflicts(params).items():
        raise InputError(f"{key}: {message}; or {USE_DDP}")
    if any(isinstance(module, _BatchNorm) for module in network.modules()):
        name = type(network).__name__
        raise InputError(f"{name} has batch normalization, which FSDP does not share: {USE_DDP}")
    # no loss of temper changes its logits in place
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor")
    parameters = {id(p): nn.Parameter(p.to("meta"), p.requires_grad) for p in network.parameters()}
    without_weights = copy.deepcopy(network, parameters)
    mesh = init_device_mesh(device.type, (distributed.world_size(),))
    reshard = os.environ.get("FSDP_RESHARD_AFTER_FORWARD", "true") == "true"
    try:
        groups = layers(network)
    except InputError:  # a network without layers is one group
        groups = []
    for layer in groups:
        fully_shard(layer, mesh=mesh, reshard_after_forward=reshard)
    fully_shard(network, mesh=mesh)
    return without_weights


def prepare(
    accelerator: "Accelerator", network: nn.Module, optimizer: Optimizer
) -> tuple[nn.Module, Any]:
    """Prepare a sharded network as accelerate does, which would wrap it as a whole one."""
    keep_state_whole(optimizer)

    def gather_all(models: list[nn.Module], weights: list[State], _: str) -> None:
        weights[:] = map(gather_weights, models)

    accelerator.register_save_state_pre_hook(gather_all)
    prepared = accelerator.prepare_model(network, evaluation_mode=True)
    return prepared, accelerator.prepare(optimizer)


def gather_network(network: nn.Module, without_weights: nn.Module | None) -> nn.Module:
    """Return a whole copy of a sharded network on the main process. Collective."""
    if without_weights is None:
        return network
    state, whole = gather_weights(network), copy.deepcopy(without_weights)
    if distributed.is_main_process():
        whole.load_state_dict(state, assign=True)
    return whole


def gather_weights(network: nn.Module) -> State:
    """Return the state dict, its tensors whole on the main process, tied ones tied. Collective."""
    state = network.state_dict()
    tied = {n: id(p) for n, p in network.named_parameters(remove_duplicate=False)}
    whole: dict[int, torch.Tensor] = {}
    for name, tensor in state.items():
        key = tied.get(name, id(tensor))
        if key not in whole:
            whole[key] = gather(tensor)
        state[name] = whole[key]
    return state


def load_weights(networks: list[nn.Module], folder: str) -> None:
    """Take the network from the list and load its weights, of which each rank keeps its share."""
    network = networks.pop()
    own, state = network.state_dict(), load_file(Path(folder, "model.safetensors"))
    parts = {name: shard(tensor, own[name]) for name, tensor in state.items() if name in own}
    network.load_state_dict(parts, strict=False)  # tied tensors are saved under one name


def keep_state_whole(optimizer: Optimizer) -> None:
    """Let `state_dict`, which becomes collective, and `load_state_dict` speak of whole tensors."""

    def gather_state(_: Optimizer, state: State) -> State:
        return pytree.tree_map(gather, state)

    def shard_state(optimizer: Optimizer, state: State) -> State:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        moments = {
            i: {name: shard(value, parameters[i]) for name, value in values.items()}
            for i, values in state["state"].items()
        }
        return {**state, "state": moments}

    optimizer.register_state_dict_post_hook(gather_state)
    optimizer.register_load_state_dict_pre_hook(shard_state)


def gather(value: Any) -> Any:
    """Return a sharded tensor whole, on the CPU of the main process; anything else as it is."""
    from torch.distributed.tensor import DTensor

    if not isinstance(value, DTensor):
        return value
    whole = value.full_tensor()
    return whole.cpu() if distributed.is_main_process() else torch.empty(0)


def shard(value: Any, like: torch.Tensor) -> Any:
    """Return this rank's share of a tensor that is as large as the sharded `like`."""
    if not distributed.is_sharded():
        return value
    from torch.distributed.tensor import DTensor, distribute_tensor

    is_whole = isinstance(value, torch.Tensor) and not isinstance(value, DTensor)
    if not isinstance(like, DTensor) or not is_whole or value.shape != like.shape:
        return value
    value = value.to(like.device)
    return distribute_tensor(value, like.device_mesh, like.placements, src_data_rank=None)
