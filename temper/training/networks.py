"""data/base and the data's labels → the network to train; the trained network → a folder.

Weights come from the checkpoint; what it lacks, or all of it from scratch, is drawn from the seed.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from temper.core.errors import InputError, nearest
from temper.models import loading
from temper.models.config import MODEL_TYPE
from temper.params import rules
from temper.params.model import Head, ModelParams
from temper.params.schema import Params
from temper.tasks.base import Task, registry
from temper.training import distributed


def build(
    base: Path, task: Task, features: Any, params: ModelParams, own: Callable | None = None
) -> Any:
    """Return the model on the CPU in fp32, its labels in its config.

    Args:
        base: folder with `processor/`, `weights/config.json` and, unless from scratch, safetensors.
        task: names the AutoModelFor… class and writes labels into its config.
        features: columns of the tokenized data.
        params: head, LoRA, new tokens.
        own: the class that `params.custom_class` names.

    Raises:
        InputError: the checkpoint's head answers other labels, or the head does not fit the model.
    """
    import transformers

    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()  # the new head is in data/base/summary.json
    folder = base / "weights"
    config = loading.open_config(folder)
    checkpoint = folder if any(folder.glob("*.safetensors")) else None
    is_theirs = (
        own is not None and getattr(config, "custom_class", None) is None
    )  # its head is not loaded
    if checkpoint is not None and params.head is None and not is_theirs:
        check_labels(config, task)
    task.configure(config, features)
    if own is not None or chosen_head(config, params) is not None:
        network = _headed(config, checkpoint, params, own)
    else:
        network = _of_transformers(config, checkpoint, task, is_new=params.head is not None)
    if params.new_tokens:
        network.resize_token_embeddings(len(registry.open_processor(base / "processor", task)))
    return network if params.lora is None else add_lora(network, params)


def _headed(config: Any, checkpoint: Path | None, params: ModelParams, own: Callable | None) -> Any:
    from temper.models import heads
    from temper.models.config import ModelWithHeadConfig, wrap_config

    head = None if own is not None else chosen_head(config, params)
    wanted = wrap_config(config, head and head.model_dump(exclude_none=True), params.custom_class)
    if isinstance(config, ModelWithHeadConfig) and checkpoint is not None:
        return heads.continue_from(wanted, checkpoint, own, new_head=params.head is not None)
    return heads.build(wanted, checkpoint, own)


def chosen_head(config: Any, params: ModelParams) -> Head | None:
    """Return the head of temper's that is trained: the one asked for, or an earlier model's.

    None is a class of transformers with its own, or a class of the user's.
    """
    if params.custom_class is not None or (params.head is not None and params.head.kind != "new"):
        return params.head
    return Head(**config.head) if config.model_type == MODEL_TYPE else None


def has_crf(config: Any, parameters: Params) -> bool:
    """Tell whether the head is a CRF, the one that is asked for or an earlier model's.

    Raises:
        InputError: an earlier model's head does not fit the task, or the loss.
    """
    head = chosen_head(config, parameters.model)
    message = None if head is None else rules.head_conflict(head, parameters)
    if message is not None:
        raise InputError(f"model.head: the one that {parameters.model.name} has: {message}")
    return head is not None and bool(head.crf)


def _of_transformers(config: Any, checkpoint: Path | None, task: Task, *, is_new: bool) -> Any:
    """Return a model of the task's class; with `is_new`, only what is below its head is loaded."""
    import torch
    import transformers

    auto = getattr(transformers, task.auto_model)
    if checkpoint is None:
        return auto.from_config(config, dtype=torch.float32)
    network = auto.from_pretrained(
        str(checkpoint),
        config=config,
        dtype=torch.float32,
        ignore_mismatched_sizes=True,
        use_safetensors=True,
        local_files_only=True,
    )
    if is_new:
        prefix, fresh = loading.backbone_prefix(network), auto.from_config(config).state_dict()
        for name, tensor in network.state_dict().items():
            if not name.startswith(prefix):
                tensor.copy_(fresh[name])
    return network


def check_labels(config: Any, task: Task) -> None:
    """Refuse to train on under a head that answers other labels, or the same in another order.

    Raises:
        InputError: names both. A head of another width is replaced, and that is said.
    """
    before = [config.id2label[i] for i in range(len(config.id2label))] if config.id2label else []
    if not task.label_names or before == task.label_names:
        return
    if all(name == f"LABEL_{i}" for i, name in enumerate(before)):
        return  # never named: the checkpoint has no head, or one that nobody described
    if len(before) != len(task.label_names):
        if distributed.is_first():
            shown = ", ".join(before[:6]) + ", …" * (len(before) > 6)
            print(f"a new head: the checkpoint's answers {len(before)} labels, {shown}")
        return
    fix = "set task.labels to the checkpoint's order"
    if getattr(config, "custom_class", None) is None:
        fix += ", or draw a new head with model.head: {kind: new}"
    raise InputError(
        f"the checkpoint's head answers {', '.join(before)}; the data's labels are "
        f"{', '.join(task.label_names)}: {fix}"
    )


def add_lora(network: Any, params: ModelParams) -> Any:
    """Freeze the backbone and put LoRA's matrices beside its linear layers (Hu et al. 2022).

    The head is trained as it is; so is the table of embeddings where it has new tokens.

    Raises:
        InputError: no layer has one of the names.
    """
    from peft import LoraConfig, inject_adapter_in_model
    from transformers.pytorch_utils import Conv1D

    lora: Any = params.lora
    prefix, chosen = loading.backbone_prefix(network), lora_targets(network, params)
    transposed = any(isinstance(network.get_submodule(name), Conv1D) for name in chosen)
    heads = {n for n, _ in network.named_parameters() if loading.is_head_tensor(n, prefix)}
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=chosen,
        fan_in_fan_out=transposed,  # GPT-2's layers, whose weights are (inputs, outputs)
    )
    network = inject_adapter_in_model(config, network)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(".lora_" in name or name in heads)
    if params.new_tokens:
        network.get_input_embeddings().requires_grad_(True)
    return network


def lora_targets(network: Any, params: ModelParams) -> list[str]:
    """Return the names of the backbone's linear layers that get matrices beside them.

    Raises:
        InputError: a name that no layer has.
    """
    import torch
    from transformers.pytorch_utils import Conv1D

    prefix, wanted = loading.backbone_prefix(network), params.lora and params.lora.target_modules
    linear = [
        name
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and not loading.is_head_tensor(name, prefix)
    ]
    known = sorted({name.split(".")[-1] for name in linear})
    missing = [name for name in wanted or () if name not in known]
    if missing:
        raise InputError(
            f"model.lora.target_modules: no linear layer is named {', '.join(missing)}"
            f"{nearest(missing[0], known)}; there are {', '.join(known) or 'none'}"
        )
    if not linear:
        raise InputError(f"model.lora: {type(network).__name__} has no linear layer below its head")
    return [name for name in linear if wanted is None or name.split(".")[-1] in wanted]


def merged(network: Any) -> Any:
    """Return a copy in which LoRA's products are added to the weights; itself without LoRA."""
    from importlib.util import find_spec

    if find_spec("peft") is None or not any(".lora_" in n for n, _ in network.named_parameters()):
        return network
    from peft.tuners.tuners_utils import BaseTunerLayer

    network = copy.deepcopy(network)
    for name, module in list(network.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent, _, last = name.rpartition(".")
            setattr(network.get_submodule(parent), last, module.get_base_layer())
    return network


def place(network: Any, device: Any) -> None:
    """Move the network to an XLA device, which makes other parameters than the CPU's.

    An optimizer that was made before would go on with the CPU's and train nothing. On other devices
    they are the same ones, and the engines move them.
    """
    if device.type == "xla":
        network.to(device)
        tie(network)


def on_host(network: Any) -> Any:
    """Return the network, or a copy on the CPU of one whose tensors have no address (XLA)."""
    if next(network.parameters()).device.type != "xla":
        return network
    network = copy.deepcopy(network).to("cpu")
    tie(network)
    return network


def tie(network: Any) -> None:
    """Let layers share tensors again after a move that gave each its own."""
    if hasattr(network, "tie_weights"):
        network.tie_weights()


def save(network: Any, folder: Path) -> None:
    """Write config.json and safetensors, without the path the model came from."""
    network = merged(on_host(network))
    if network.config.model_type == MODEL_TYPE:
        from temper.models import heads

        heads.save(network, folder)
        return
    network.config._name_or_path = ""
    network.save_pretrained(str(folder), safe_serialization=True)
