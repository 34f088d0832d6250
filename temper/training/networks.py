"""data/base and the data's labels → the network to train; the trained network → a folder.

Weights come from the checkpoint; what it lacks, or all of it from scratch, is drawn from the seed.
"""

import copy
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from transformers import PretrainedConfig, PreTrainedModel

from temper.core.errors import InputError
from temper.models import heads, loading
from temper.models.config import MODEL_TYPE, ModelWithHeadConfig, wrap_config
from temper.params import rules
from temper.params.model import Head, ModelParams
from temper.params.schema import Params
from temper.tasks.base import Task, registry
from temper.training import custom_functions, distributed, lora

if TYPE_CHECKING:
    from datasets import Features

    from temper.training.optimizer import Model

MAX_LABELS_IN_MESSAGE = 6


def build(base: Path, task: Task, types: "Features", parameters: Params) -> "Model":
    """Build the network on the CPU in fp32, with its labels in its config.

    Args:
        base: folder with `processor/`, `weights/config.json` and, unless from scratch, safetensors.
        task: names the AutoModelFor… class and writes labels into its config.

    Raises:
        InputError: the checkpoint's head has other labels, or the head does not fit the model.
    """
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()  # the new head is in data/base/summary.json
    logging.getLogger("accelerate.utils.other").setLevel(logging.ERROR)  # tied weights, saved once
    folder, params = base / "weights", parameters.model
    config = loading.open_config(folder)
    checkpoint = folder if any(folder.glob("*.safetensors")) else None
    custom_class = custom_functions.model_class(parameters)
    had_custom_class = getattr(config, "custom_class", None) is not None
    keeps_head = params.head is None and (custom_class is None or had_custom_class)
    if checkpoint is not None and keeps_head:
        check_labels(config, task)
    task.configure(config, types)
    if custom_class is None and trained_head(config, params) is None:
        network = _build_auto_model(config, checkpoint, task, new_head=params.head is not None)
    else:
        network = _build_model_with_head(config, checkpoint, custom_class, params)
    if task.prediction_output == "tokens":
        generator: Any = network
        generator.generation_config = loading.open_generation_config(folder)
    if params.new_tokens:
        network.resize_token_embeddings(len(registry.open_processor(base / "processor", task)))
    if params.lora is not None:
        lora.add_lora(network, params)
    return network


def trained_head(config: Any, params: ModelParams) -> Head | None:
    """Return the temper head that is trained: that of `params`, or that of an earlier model.

    None stands for the head of a transformers class, or for a custom class.
    """
    if params.custom_class is not None or (params.head is not None and params.head.kind != "new"):
        return params.head
    return Head(**config.head) if config.model_type == MODEL_TYPE else None


def has_crf(config: Any, parameters: Params) -> bool:
    """Check whether the trained head is a CRF, whether from `model.head` or from an earlier model.

    Raises:
        InputError: an earlier model's head does not fit the task, or the loss.
    """
    head = trained_head(config, parameters.model)
    message = None if head is None else rules.head_conflict(head, parameters)
    if message is not None:
        raise InputError(f"model.head: the head of {parameters.model.name}: {message}")
    return head is not None and bool(head.crf)


def _build_auto_model(
    config: PretrainedConfig, checkpoint: Path | None, task: Task, *, new_head: bool
) -> PreTrainedModel:
    """Build a model of the task's class; with `new_head` only the backbone is loaded."""
    auto_class = getattr(transformers, task.auto_model)
    if checkpoint is None:
        return auto_class.from_config(config, dtype=torch.float32)
    network = auto_class.from_pretrained(
        str(checkpoint),
        config=config,
        dtype=torch.float32,
        ignore_mismatched_sizes=True,
        use_safetensors=True,
        local_files_only=True,
    )
    if new_head:
        prefix = loading.backbone_prefix(network)
        initial_state = auto_class.from_config(config).state_dict()
        for name, tensor in network.state_dict().items():
            if not name.startswith(prefix):
                tensor.copy_(initial_state[name])
    return network


def _build_model_with_head(
    config: PretrainedConfig, checkpoint: Path | None, custom_class: Any, params: ModelParams
) -> heads.ModelWithHead:
    """Build a backbone under the trained head, or a custom class; or continue an earlier one."""
    head = trained_head(config, params)
    options = None if head is None else head.model_dump(exclude_none=True)
    wrapped = wrap_config(config, options, params.custom_class)
    if checkpoint is None or not isinstance(config, ModelWithHeadConfig):
        return heads.build(wrapped, checkpoint, custom_class)
    new_head = params.head is not None
    return heads.continue_from(wrapped, checkpoint, custom_class, new_head=new_head)


def check_labels(config: Any, task: Task) -> None:
    """Refuse a head that was trained on other labels, or on the same ones in another order.

    A head with another number of labels is replaced, with a message.

    Raises:
        InputError: as many labels, but not the same.
    """
    labels = [config.id2label[i] for i in range(len(config.id2label))] if config.id2label else []
    if not task.label_names or labels == task.label_names:
        return
    if all(name == f"LABEL_{i}" for i, name in enumerate(labels)):
        return  # transformers' default names: no head, or one whose labels were never named
    if len(labels) != len(task.label_names):
        if distributed.is_main_process():
            names = ", ".join(labels[:MAX_LABELS_IN_MESSAGE])
            more = ", …" * (len(labels) > MAX_LABELS_IN_MESSAGE)
            print(f"new head: the checkpoint's has {len(labels)} labels: {names}{more}")
        return
    fix = "set task.labels to the checkpoint's order"
    if getattr(config, "custom_class", None) is None:
        fix += ", or draw a new head with model.head: {kind: new}"
    raise InputError(
        f"the checkpoint's head has the labels {', '.join(labels)}; the data's labels are "
        f"{', '.join(task.label_names)}: {fix}"
    )


def keep_frozen_statistics(network: nn.Module) -> None:
    """Make batch normalizations with frozen weights normalize as in evaluation, and learn nothing.

    In training mode they would replace the means and variances of the checkpoint by the data's.
    """
    for module in network.modules():
        weights = list(module.parameters(recurse=False))
        if isinstance(module, _BatchNorm) and weights and not any(w.requires_grad for w in weights):
            module.register_forward_pre_hook(_in_evaluation_mode)


def _in_evaluation_mode(module: nn.Module, _: Any) -> None:
    module.eval()  # whatever the engine has set before the step


def move(network: nn.Module, device: torch.device) -> None:
    """Move a network; shared tensors are shared again, for a move from or to XLA copies each."""
    is_copied = "xla" in (device.type, next(network.parameters()).device.type)
    network.to(device)
    tie_weights: Callable[[], None] | None = getattr(network, "tie_weights", None)
    if is_copied and tie_weights is not None:
        tie_weights()


def save(network: Any, folder: Path) -> None:
    """Write config.json and safetensors, without the path the model came from."""
    if next(network.parameters()).device.type == "xla":  # whose tensors have no address
        network = copy.deepcopy(network)
        move(network, torch.device("cpu"))
    network = lora.merge_lora(network)
    if network.config.model_type == MODEL_TYPE:
        heads.save(network, folder)
        return
    network.config._name_or_path = ""
    network.save_pretrained(str(folder), safe_serialization=True)


def flops_counter(
    network: nn.Module, world_size: int
) -> Callable[[Mapping[str, torch.Tensor]], float]:
    """Return a function of a micro-batch: 6 x tokens x parameters over all processes.

    It is the estimate of transformers; 0 for a custom model that cannot count its parameters.
    """
    count: Callable[..., int] = getattr(network, "num_parameters", lambda **_: 0)
    per_token = 6.0 * count(exclude_embeddings=True) * world_size
    name = getattr(network, "main_input_name", "input_ids")
    return lambda batch: per_token * batch[name].numel() if name in batch else 0.0
