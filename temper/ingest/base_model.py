"""A model folder → data/base: its processor, its config with overrides, its safetensors.

The weight files are copied unchanged; train adds a head with the data's number of labels.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper.core import artifacts
from temper.core.errors import InputError, nearest
from temper.ingest import weights
from temper.models import loading
from temper.models.config import ModelWithHeadConfig
from temper.params.model import ModelParams
from temper.tasks.base import Task
from temper.tasks.base.registry import open_processor

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

INFERENCE_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.spm")


def check_inference_model(folder: Path, name: str) -> None:
    """Check a model that is used without training: it must load without code it brings along.

    Raises:
        InputError: no config.json, no safetensors, or the model needs code in its repository.
    """
    if not (folder / "config.json").is_file():
        raise InputError(f"model {name}: {folder} has no config.json")
    if not any(folder.glob("*.safetensors")):
        raise InputError(f"model {name}: weights must be safetensors, found none in {folder}")
    if "auto_map" in artifacts.read_json(folder / "config.json"):
        raise InputError(f"model {name} needs the code in its repository, which is not run here")


def check_base_model(folder: Path, params: ModelParams) -> None:
    """Check a model folder before anything in it is loaded.

    Raises:
        InputError: no config.json, no safetensors (unless from scratch), or the model needs code in
            its repository without `model.trust_remote_code`.
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
            f"model {params.name} needs the code in its repository; read it, then set "
            "model.trust_remote_code: true"
        )


def read_config(folder: Path, params: ModelParams) -> "PretrainedConfig":
    """Load the config and apply the overrides of `model.config`.

    Raises:
        InputError: an unknown key, a value of another type, or a model of a custom class without
            `model.custom_class`.
    """
    config = loading.open_config(folder, trust_remote_code=params.trust_remote_code)
    known = sorted({*config.to_dict(), *type(config).attribute_map})
    for key, value in params.config.items():
        if key not in known:
            raise InputError(
                f"model.config.{key}: {type(config).__name__} has no such key{nearest(key, known)}"
            )
        old = getattr(config, key)
        both_numbers = isinstance(old, int | float) and isinstance(value, int | float)
        if old is not None and not both_numbers and not isinstance(value, type(old)):
            raise InputError(
                f"model.config.{key}: expected {type(old).__name__} such as {old!r}, "
                f"found {value!r}"
            )
        setattr(config, key, value)
    if getattr(config, "custom_class", None) is not None and params.custom_class is None:
        raise InputError(
            f"model.custom_class: {params.name} was trained with {config.custom_class}; set it to "
            "that class, and add its file under code"
        )
    return config


def read_processor(
    folder: Path, config: "PretrainedConfig", params: ModelParams, task: Task
) -> Any:
    """Load the tokenizer, with `model.new_tokens`, or the image processor.

    The tokenizer's `model_max_length` is limited to the model's positions.

    Raises:
        InputError: the folder has no processor, or its tokenizer does not fit the model.
    """
    try:
        processor = open_processor(folder, task, trust_remote_code=params.trust_remote_code)
    except (OSError, ValueError) as error:
        what = "tokenizer" if task.auto_processor == "AutoTokenizer" else "image processor"
        raise InputError(f"model {params.name}: no {what} in {folder}: {error}") from None
    if task.auto_processor == "AutoTokenizer":
        inner = config.backbone_config() if isinstance(config, ModelWithHeadConfig) else config
        fit_tokenizer(processor, inner, params)
        add_tokens(processor, params)
    return processor


def fit_tokenizer(
    tokenizer: "PreTrainedTokenizerBase", config: "PretrainedConfig", params: ModelParams
) -> None:
    """Check a tokenizer against the model, and limit its length to the model's positions.

    Raises:
        InputError: more tokens than embeddings, or no token types although the head pools pairs.
    """
    vocab_size = getattr(config, "vocab_size", None)
    if vocab_size is not None and len(tokenizer) > vocab_size:
        raise InputError(
            f"model {params.name}: the tokenizer has {len(tokenizer)} tokens, the model embeds "
            f"{vocab_size}; set model.config.vocab_size to {len(tokenizer)} (from scratch), or use "
            "the tokenizer that belongs to the model"
        )
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None:
        offset = (config.pad_token_id or 0) + 1 if "roberta" in config.model_type else 0
        tokenizer.model_max_length = min(tokenizer.model_max_length, positions - offset)
    is_pair = params.head is not None and params.head.pooling == "pair"
    if is_pair and "token_type_ids" not in tokenizer.model_input_names:
        raise InputError(
            "model.head.pooling: pair needs to know which text each token belongs to, and the "
            f"tokenizer of {params.name} returns no token_type_ids: use mean, or a model with "
            "token types such as BERT"
        )


def add_tokens(tokenizer: "PreTrainedTokenizerBase", params: ModelParams) -> None:
    """Add `model.new_tokens`; train adds their embeddings.

    Raises:
        InputError: a token is already in the vocabulary.
    """
    for token in params.new_tokens or ():
        if token in tokenizer.get_vocab():
            raise InputError(f"model.new_tokens: {token!r} is already in the vocabulary; remove it")
    tokenizer.add_tokens(list(params.new_tokens or ()))


def write(folder: Path, params: ModelParams, task: Task, target: Path) -> dict[str, Any]:
    """Write `processor/`, `weights/` and summary.json under target; return the summary.

    Raises:
        InputError: the folder cannot be used with these parameters.
    """
    check_base_model(folder, params)
    config = read_config(folder, params)
    processor = read_processor(folder, config, params, task)
    files = {
        name: digest
        for name, digest in artifacts.sha256_tree(folder).items()
        if not params.from_scratch or not name.endswith(".safetensors")
    }
    summary: dict[str, Any] = {
        "name": params.name,
        "model_type": config.model_type,
        "from_scratch": params.from_scratch,
        "config": params.config,
        "files": files,
    }
    weights_folder = target / "weights"
    weights_folder.mkdir(parents=True)
    if not params.from_scratch:
        if params.custom_class is None:
            summary["tensors"] = weights.compare_weights(folder, config, task.auto_model)
        for pattern in ("*.safetensors", "*.safetensors.index.json"):
            for file in folder.glob(pattern):
                shutil.copyfile(file, weights_folder / file.name)
    config._name_or_path = ""
    config.save_pretrained(str(weights_folder))
    if task.auto_processor == "AutoTokenizer":
        processor.name_or_path = ""
        processor.init_kwargs.pop("name_or_path", None)
        summary |= describe_tokenizer(processor, config, params)
    processor.save_pretrained(str(target / "processor"))
    artifacts.write_json(target / "summary.json", summary)
    return summary


def describe_tokenizer(
    tokenizer: "PreTrainedTokenizerBase", config: "PretrainedConfig", params: ModelParams
) -> dict[str, Any]:
    """Return a tokenizer's entries in summary.json."""
    return {
        "vocab_size": getattr(config, "vocab_size", None),
        "num_tokens": len(tokenizer),
        **({"new_tokens": list(params.new_tokens)} if params.new_tokens else {}),
        "max_length": tokenizer.model_max_length,
    }
