"""data/base and the data's labels → the network to train; the trained network → a folder.

Weights come from the checkpoint; what it lacks, or all of it from scratch, is drawn from the seed.
"""

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from temper.core.errors import InputError, nearest
from temper.models import loading
from temper.models.config import MODEL_TYPE
from temper.params import rules
from temper.params.model import Head, ModelParams
from temper.params.schema import Params
from temper.tasks.base import Task, registry
from temper.training import distributed

if TYPE_CHECKING:
    import torch
    from datasets import Features
    from transformers import PretrainedConfig, PreTrainedModel

    from temper.models.heads import BuildCustom, ModelWithHead

Model: TypeAlias = "PreTrainedModel | ModelWithHead"
MAX_LABELS_IN_MESSAGE = 6


def build(
    base: Path,
    task: Task,
    features: "Features",
    params: ModelParams,
    custom_class: "BuildCustom | None" = None,
) -> Model:
    """Build the network on the CPU in fp32, with its labels in its config.

    Args:
        base: folder with `processor/`, `weights/config.json` and, unless from scratch, safetensors.
        task: names the AutoModelFor… class and writes labels into its config.
        features: columns of the tokenized data.
        params: head, LoRA, new tokens.
        custom_class: what `params.custom_class` names.

    Raises:
        InputError: the checkpoint's head has other labels, or the head does not fit the model.
    """
    import transformers

    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()  # the new head is in data/base/summary.json
    folder = base / "weights"
    config = loading.open_config(folder)
    checkpoint = folder if any(folder.glob("*.safetensors")) else None
    skips_head = custom_class is not None and getattr(config, "custom_class", None) is None
    if checkpoint is not None and params.head is None and not skips_head:
        check_labels(config, task)
    task.configure(config, features)
    if custom_class is not None or trained_head(config, params) is not None:
        network = _build_with_head(config, checkpoint, params, custom_class)
    else:
        network = _build_auto_model(config, checkpoint, task, new_head=params.head is not None)
    if params.new_tokens:
        network.resize_token_embeddings(len(registry.open_processor(base / "processor", task)))
    return network if params.lora is None else add_lora(network, params)


def _build_with_head(
    config: "PretrainedConfig",
    checkpoint: Path | None,
    params: ModelParams,
    custom_class: "BuildCustom | None",
) -> "ModelWithHead":
    from temper.models import heads
    from temper.models.config import ModelWithHeadConfig, wrap_config

    head = None if custom_class is not None else trained_head(config, params)
    options = None if head is None else head.model_dump(exclude_none=True)
    wrapped = wrap_config(config, options, params.custom_class)
    if isinstance(config, ModelWithHeadConfig) and checkpoint is not None:
        new_head = params.head is not None
        return heads.continue_from(wrapped, checkpoint, custom_class, new_head=new_head)
    return heads.build(wrapped, checkpoint, custom_class)


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
    config: "PretrainedConfig", checkpoint: Path | None, task: Task, *, new_head: bool
) -> "PreTrainedModel":
    """Build a model of the task's class; with `new_head` only the backbone is loaded."""
    import torch
    import transformers

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


def add_lora(network: Any, params: ModelParams) -> Model:
    """Freeze the backbone and add LoRA adapters to its linear layers (Hu et al. 2022).

    The head is trained in full, and so are the input embeddings if `params` adds tokens.

    Raises:
        InputError: no layer has one of the names.
    """
    from peft import LoraConfig, inject_adapter_in_model
    from transformers.pytorch_utils import Conv1D

    lora: Any = params.lora
    prefix, targets = loading.backbone_prefix(network), lora_targets(network, params)
    is_conv1d = any(isinstance(network.get_submodule(name), Conv1D) for name in targets)
    head = {n for n, _ in network.named_parameters() if loading.is_head_tensor(n, prefix)}
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets,
        fan_in_fan_out=is_conv1d,  # GPT-2's layers, whose weights are (inputs, outputs)
    )
    network = inject_adapter_in_model(config, network)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(".lora_" in name or name in head)
    if params.new_tokens:
        network.get_input_embeddings().requires_grad_(True)
    return network


def lora_targets(network: Model, params: ModelParams) -> list[str]:
    """Return the names of the backbone's linear layers that get an adapter.

    Raises:
        InputError: a name that no layer has.
    """
    import torch
    from transformers.pytorch_utils import Conv1D

    prefix, names = loading.backbone_prefix(network), params.lora and params.lora.target_modules
    linear = [
        name
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and not loading.is_head_tensor(name, prefix)
    ]
    known = sorted({name.split(".")[-1] for name in linear})
    missing = [name for name in names or () if name not in known]
    if missing:
        raise InputError(
            f"model.lora.target_modules: no linear layer is named {', '.join(missing)}"
            f"{nearest(missing[0], known)}; there are {', '.join(known) or 'none'}"
        )
    if not linear:
        raise InputError(f"model.lora: {type(network).__name__} has no linear layer below its head")
    return [name for name in linear if names is None or name.split(".")[-1] in names]


def merge_lora(network: Model) -> Model:
    """Return a copy with the adapters merged into the weights; without LoRA the network itself."""
    from importlib.util import find_spec

    if find_spec("peft") is None or not any(".lora_" in n for n, _ in network.named_parameters()):
        return network
    from peft.tuners.tuners_utils import BaseTunerLayer

    network = copy.deepcopy(network)
    for name, module in list(network.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent, _, attribute = name.rpartition(".")
            setattr(network.get_submodule(parent), attribute, module.get_base_layer())
    return network


def move_to_xla(network: Model, device: "torch.device") -> None:
    """Move the network to the device if it is an XLA device; elsewhere the engine does.

    A move to XLA creates new parameters: an optimizer that was built before would keep the CPU's
    and train nothing.
    """
    if device.type == "xla":
        network.to(device)  # pyright: ignore[reportArgumentType]
        tie_weights(network)


def on_cpu(network: Model) -> Model:
    """Return the network, or a CPU copy of one on XLA, whose tensors have no address."""
    if next(network.parameters()).device.type != "xla":
        return network
    network = copy.deepcopy(network).to("cpu")  # pyright: ignore[reportArgumentType]
    tie_weights(network)
    return network


def tie_weights(network: Any) -> None:
    """Restore shared tensors after a move that copied each of them."""
    if hasattr(network, "tie_weights"):
        network.tie_weights()


def save(network: Any, folder: Path) -> None:
    """Write config.json and safetensors, without the path the model came from."""
    network = merge_lora(on_cpu(network))
    if network.config.model_type == MODEL_TYPE:
        from temper.models import heads

        heads.save(network, folder)
        return
    network.config._name_or_path = ""
    network.save_pretrained(str(folder), safe_serialization=True)
