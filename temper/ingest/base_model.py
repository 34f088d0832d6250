"""A model folder → data/base: its tokenizer, its config with overrides, its safetensors.

The weights are the checkpoint's own files; the head of the right width is made by train.
"""

import shutil
from pathlib import Path
from typing import Any

from temper.core import artifacts
from temper.core.errors import InputError, nearest
from temper.models import loading
from temper.models.config import MODEL_TYPE
from temper.params.model import ModelParams
from temper.tasks.base import Task
from temper.tasks.base.registry import open_processor

INFERENCE_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.spm")


def check_inference_model(folder: Path, name: str) -> None:
    """Refuse a model that cannot be loaded without running code it brings.

    Raises:
        InputError: no config.json, no safetensors, or code of its own.
    """
    if not (folder / "config.json").is_file():
        raise InputError(f"model {name}: {folder} has no config.json")
    if not any(folder.glob("*.safetensors")):
        raise InputError(f"model {name}: weights must be safetensors, found none in {folder}")
    if "auto_map" in artifacts.read_json(folder / "config.json"):
        raise InputError(f"model {name} brings its own code, which is not run here")


def check_base_model(folder: Path, params: ModelParams) -> None:
    """Refuse pickled weights, missing files, and code that no parameter allows.

    Raises:
        InputError: any of these.
    """
    if not (folder / "config.json").is_file():
        raise InputError(f"model {params.name}: {folder} has no config.json")
    if not params.from_scratch and not any(folder.glob("*.safetensors")):
        pickled = sorted(p.name for p in folder.glob("*.bin")) + sorted(
            p.name for p in folder.glob("*.pt*")
        )
        found = f"only {', '.join(pickled)}, which can run code when loaded" if pickled else "none"
        raise InputError(
            f"model {params.name}: weights must be safetensors, found {found}; convert them, or "
            "set model.from_scratch: true"
        )
    if not params.trust_remote_code and "auto_map" in artifacts.read_json(folder / "config.json"):
        raise InputError(
            f"model {params.name} brings its own code; read it, then set "
            "model.trust_remote_code: true"
        )


def read_config(folder: Path, params: ModelParams) -> Any:
    """Return the config with `model.config` applied.

    Raises:
        InputError: a key that the config class does not know, or another type than it has; a
            model of a class of the user's, which `model.custom_class` does not name.
    """
    config = loading.open_config(folder, trust_remote_code=params.trust_remote_code)
    known = sorted({*config.to_dict(), *type(config).attribute_map})
    for key, value in params.config.items():
        if key not in known:
            raise InputError(
                f"model.config.{key}: {type(config).__name__} has no such key{nearest(key, known)}"
            )
        old = getattr(config, key)
        numbers = isinstance(old, int | float) and isinstance(value, int | float)
        if old is not None and not numbers and not isinstance(value, type(old)):
            raise InputError(
                f"model.config.{key}: expected {type(old).__name__} such as {old!r}, "
                f"found {value!r}"
            )
        setattr(config, key, value)
    if getattr(config, "custom_class", None) is not None and params.custom_class is None:
        raise InputError(
            f"model.custom_class: {params.name} was made by {config.custom_class}; name that "
            "class, and its file under code"
        )
    return config


def read_processor(folder: Path, config: Any, params: ModelParams, task: Task) -> Any:
    """Return the tokenizer, its longest input no longer than the model's positions; or the
    image processor.

    Raises:
        InputError: the folder has none, or a tokenizer with more tokens than the model embeds, or
            one that does not tell two texts apart for a head that does.
    """
    try:
        processor = open_processor(folder, task, trust_remote_code=params.trust_remote_code)
    except (OSError, ValueError) as error:
        what = "tokenizer" if task.auto_processor == "AutoTokenizer" else "image processor"
        raise InputError(f"model {params.name}: no {what} in {folder}: {error}") from None
    if task.auto_processor != "AutoTokenizer":
        return processor
    config = config.backbone_config() if config.model_type == MODEL_TYPE else config
    size = getattr(config, "vocab_size", None)
    if size is not None and len(processor) > size:
        raise InputError(
            f"model {params.name}: the tokenizer has {len(processor)} tokens, the model embeds "
            f"{size}; set model.config.vocab_size to {len(processor)} (from scratch), or take the "
            "tokenizer that belongs to the model"
        )
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None:
        offset = (config.pad_token_id or 0) + 1 if "roberta" in config.model_type else 0
        processor.model_max_length = min(processor.model_max_length, positions - offset)
    is_pair = params.head is not None and params.head.pooling == "pair"
    if is_pair and "token_type_ids" not in processor.model_input_names:
        raise InputError(
            f"model.head.pooling: pair needs to know which token belongs to which text, and the "
            f"tokenizer of {params.name} does not say (it gives no token_type_ids): take mean, or "
            "a model of BERT's kind"
        )
    add_tokens(processor, params)
    return processor


def add_tokens(processor: Any, params: ModelParams) -> None:
    """Add `model.new_tokens`; train gives each an embedding.

    Raises:
        InputError: one is in the vocabulary already.
    """
    for token in params.new_tokens or ():
        if token in processor.get_vocab():
            raise InputError(f"model.new_tokens: {token!r} is in the vocabulary already; remove it")
    processor.add_tokens(list(params.new_tokens or ()))


def checkpoint_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of the folder's safetensors, without reading them."""
    from safetensors import safe_open

    shapes = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(str(file), "np") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (not a mapping)
                shapes[name] = tuple(tensors.get_slice(name).get_shape())
    return shapes


def build_meta_model(config: Any, auto: str) -> Any:
    """Return a network of a config without memory for its weights."""
    import torch
    import transformers

    with torch.device("meta"):
        if config.model_type != MODEL_TYPE:
            return getattr(transformers, auto).from_config(config)
        from temper.models import heads

        backbone = transformers.AutoModel.from_config(config.backbone_config())
        return heads.ModelWithHead(config, backbone)


def compare_weights(folder: Path, config: Any, auto: str) -> dict[str, list[str]]:
    """Return the tensors that are new and those that are unused.

    Raises:
        InputError: a tensor of the backbone is missing, or a shape differs.
    """
    network = build_meta_model(config, auto)
    prefix = loading.backbone_prefix(network)
    wanted = {name: tuple(p.shape) for name, p in network.state_dict().items()}
    stored = checkpoint_shapes(folder)
    renamed = {
        prefix + name if prefix + name in wanted else name: shape for name, shape in stored.items()
    }
    tied = set(getattr(network, "_tied_weights_keys", None) or ())
    new = [name for name in wanted if name not in renamed and name not in tied]
    new = [name for name in new if not name.endswith(("position_ids", "token_type_ids"))]
    for name in new:
        if not loading.is_head_tensor(name, prefix):
            raise InputError(
                f"the checkpoint lacks {name} {wanted[name]}"
                f"{nearest(name, list(renamed))}: it is no {type(network).__name__}; take another "
                "model, or set model.from_scratch: true"
            )
    for name, shape in wanted.items():
        if name in renamed and renamed[name] != shape:
            if loading.is_head_tensor(name, prefix):
                new.append(name)
                continue
            raise InputError(
                f"{name} is {renamed[name]} in the checkpoint and {shape} in the model: "
                "model.config changes a size; leave it, or set model.from_scratch: true"
            )
    return {"new": sorted(new), "unused": sorted(set(renamed) - set(wanted))}


def write(folder: Path, params: ModelParams, task: Task, target: Path) -> dict:
    """Write `processor/` and `weights/` below target; return the summary."""
    check_base_model(folder, params)
    config = read_config(folder, params)
    processor = read_processor(folder, config, params, task)
    summary: dict[str, Any] = {"name": params.name, "model_type": config.model_type}
    summary["from_scratch"] = params.from_scratch
    summary["config"] = params.config
    summary["files"] = {
        name: digest
        for name, digest in artifacts.sha256_tree(folder).items()
        if not params.from_scratch or not name.endswith(".safetensors")
    }
    weights = target / "weights"
    weights.mkdir(parents=True)
    if not params.from_scratch:
        if params.custom_class is None:
            summary["tensors"] = compare_weights(folder, config, task.auto_model)
        for file in sorted(
            [*folder.glob("*.safetensors"), *folder.glob("*.safetensors.index.json")]
        ):
            shutil.copyfile(file, weights / file.name)
    config._name_or_path = ""
    config.save_pretrained(str(weights))
    if task.auto_processor == "AutoTokenizer":
        processor.name_or_path = ""
        processor.init_kwargs.pop("name_or_path", None)
        summary["vocab_size"] = getattr(config, "vocab_size", None)
        summary["num_tokens"] = len(processor)
        if params.new_tokens:
            summary["new_tokens"] = list(params.new_tokens)
        summary["max_length"] = processor.model_max_length
    processor.save_pretrained(str(target / "processor"))
    artifacts.write_json(target / "summary.json", summary)
    return summary
