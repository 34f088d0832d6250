"""A model folder → data/base: its processor, its config with overrides, its safetensors.

The weight files are copied unchanged, unless `model.layers` chooses from them; train adds a head
with the data's number of labels.
"""

import math
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper.core import artifacts
from temper.core.errors import InputError, nearest
from temper.ingest import (
    base_tokenizer,
    chosen_layers,
    generation_config,
    model_files,
    sentence_transformers,
    weights,
)
from temper.models import loading
from temper.models.config import ModelWithHeadConfig
from temper.params.model import ModelParams
from temper.tasks.base import Task
from temper.tasks.base.registry import open_processor

if TYPE_CHECKING:
    from transformers import PretrainedConfig

COUNTS = re.compile(r"^(num|n|d)_|_(size|sizes|layers?|heads?|embeddings|dim)$|^(dim|hidden)")
WEIGHT_FILES = ("*.safetensors", "*.safetensors.index.json")
PROCESSORS = {
    "AutoTokenizer": "tokenizer",
    "AutoImageProcessor": "image processor",
    "AutoFeatureExtractor": "feature extractor",
}
INFERENCE_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.spm")


def check_inference_model(folder: Path, name: str) -> None:
    """Check a model that is used without training and without the code it brings along.

    Raises:
        InputError: see `check_base_model`.
    """
    if model_files.check(folder, name):
        raise InputError(f"model {name} needs the code in its repository, which is not run here")


def check_base_model(folder: Path, params: ModelParams) -> None:
    """Check a model folder before anything in it is loaded.

    Raises:
        InputError: no config.json, no whole safetensors (unless from scratch), or the model needs
            code in its repository without `model.trust_remote_code`.
    """
    needs_code = model_files.check(folder, params.name, needs_weights=not params.from_scratch)
    if needs_code and not params.trust_remote_code:
        raise InputError(
            f"model {params.name} needs the code in its repository; read it, then set "
            "model.trust_remote_code: true"
        )


def read_config(folder: Path, params: ModelParams) -> "PretrainedConfig":
    """Load the config; apply the overrides of `model.config`, and `model.layers`.

    Raises:
        InputError: transformers does not know the model, an unknown key, a value of another type,
            no such layer, or a model of a custom class without `model.custom_class`.
    """
    try:
        config = loading.open_config(folder, trust_remote_code=params.trust_remote_code)
    except Exception as error:  # transformers' config classes raise anything
        reason = " ".join(str(error).split("\n\n")[0].split())
        raise InputError(f"model {params.name}: {folder / 'config.json'}: {reason}") from error
    if params.layers is not None:
        chosen_layers.check(folder, config, params)
        chosen_layers.shorten_config(config, params)
    known = sorted({*config.to_dict(), *type(config).attribute_map})
    for key, value in params.config.items():
        if key not in known:
            raise InputError(
                f"model.config.{key}: {type(config).__name__} has no such key{nearest(key, known)}"
            )
        _check_override(key, value, getattr(config, key))
        setattr(config, key, value)
    if getattr(config, "custom_class", None) is not None and params.custom_class is None:
        raise InputError(
            f"model.custom_class: {params.name} was trained with {config.custom_class}; set it to "
            "that class, and add its file under code"
        )
    return config


def _check_override(key: str, value: Any, old: Any) -> None:
    """Check a value that replaces another in a config; null may be replaced by anything."""
    if old is None:
        return
    if not {type(old), type(value)} <= {int, float}:
        if type(value) is not type(old):
            raise InputError(
                f"model.config.{key}: expected {type(old).__name__} such as {old!r}, "
                f"found {value!r}"
            )
        return
    allowed = None
    if COUNTS.search(key) and isinstance(old, int) and old > 0:
        allowed = None if isinstance(value, int) and value > 0 else "a whole number from 1"
    elif "dropout" in key:
        allowed = None if 0 <= value < 1 else "a rate from 0 to below 1"
    elif not math.isfinite(value) or value < 0 <= old:
        allowed = "a number from 0"
    if allowed is not None:
        raise InputError(f"model.config.{key}: expected {allowed} (it is {old}), found {value}")


def read_processor(
    folder: Path, config: "PretrainedConfig", params: ModelParams, task: Task
) -> Any:
    """Load the tokenizer, with `model.new_tokens`, the image processor or feature extractor.

    The tokenizer's `model_max_length` is limited to the model's positions.

    Raises:
        InputError: the folder has no processor, or its tokenizer does not fit the model.
    """
    try:
        processor = open_processor(folder, task, trust_remote_code=params.trust_remote_code)
    except InputError as error:
        raise InputError(f"model {params.name}: {error}") from error
    except Exception as error:  # each processor class raises errors of its own
        what = PROCESSORS[task.auto_processor]
        reason = " ".join(str(error).split())[:400]
        raise InputError(f"model {params.name}: no {what} in {folder}: {reason}") from error
    if task.auto_processor == "AutoTokenizer":
        inner = config.backbone_config() if isinstance(config, ModelWithHeadConfig) else config
        check_is_causal(inner, params, task)
        base_tokenizer.fit(processor, inner, params.name)
        base_tokenizer.set_languages(processor, params, task)
        base_tokenizer.check_pair_head(processor, params)
        base_tokenizer.check_special_tokens(processor, inner, folder, params, task)
        base_tokenizer.add_tokens(processor, params)
        base_tokenizer.end_turns(processor, params, task)
        processor.name_or_path = ""  # is saved with it
        processor.init_kwargs.pop("name_or_path", None)
    return processor


def check_is_causal(config: "PretrainedConfig", params: ModelParams, task: Task) -> None:
    """Check that a model that continues texts does not see the words it has to predict.

    Raises:
        InputError: it is an encoder such as BERT, which can be made a decoder.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    is_encoder = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if task.auto_model != "AutoModelForCausalLM" or not is_encoder or config.is_encoder_decoder:
        return
    if getattr(config, "is_decoder", None) is False:
        raise InputError(
            f"model {params.name}: {config.model_type} is an encoder, which sees the words that "
            f"{task.params.name} predicts; set model.config: {{is_decoder: true}}"
        )


def _tokenizer_summary(
    tokenizer: Any, config: "PretrainedConfig", params: ModelParams
) -> dict[str, Any]:
    summary = {
        "vocab_size": getattr(config, "vocab_size", None),
        "num_tokens": len(tokenizer),
        "max_length": tokenizer.model_max_length,
    }
    return summary | ({"new_tokens": list(params.new_tokens)} if params.new_tokens else {})


def _set_padding(config: "PretrainedConfig", tokenizer: Any) -> None:
    """Name a padding token where none is named: GPT-2 classifies by the last token before it."""
    if getattr(config, "pad_token_id", 0) is None:  # a temper head's config has no key
        pad, end = tokenizer.pad_token_id, tokenizer.eos_token_id
        config.pad_token_id = end if pad is None else pad


def write(folder: Path, params: ModelParams, task: Task, target: Path) -> dict[str, Any]:
    """Write `processor/` and `weights/` under target; return the summary.

    Raises:
        InputError: the folder cannot be used with these parameters.
    """
    check_base_model(folder, params)
    config = read_config(folder, params)
    sentence_transformers.set_pooling(config, folder, task.params, params.name)
    processor = read_processor(folder, config, params, task)
    summary: dict[str, Any] = {
        "name": params.name,
        "model_type": config.model_type,
        "from_scratch": params.from_scratch,
        "config": params.config,
        "files": {
            name: digest
            for name, digest in artifacts.sha256_tree(folder).items()
            if not params.from_scratch or not name.endswith(".safetensors")
        },
    }
    source = folder
    if params.layers is not None:
        summary["layers"] = list(params.layers)
        whole = read_config(folder, params.model_copy(update={"layers": None}))
        chosen_layers.check_networks(folder, whole, config, params, task.auto_model)
        chosen_layers.write_weights(folder, whole, params, target / "weights")
        source = target / "weights"
    if not params.from_scratch and params.custom_class is None:
        summary["tensors"] = weights.compare_weights(source, config, task.auto_model)
    if task.auto_processor == "AutoTokenizer":
        summary |= _tokenizer_summary(processor, config, params)
    if base_tokenizer.is_plain_classifier(params, task):
        _set_padding(config, processor)
    if task.prediction_output == "tokens":
        generation, not_taken = generation_config.read(folder, config, processor, params)
        summary["generation_not_taken"] = not_taken
        generation.save_pretrained(str(target / "weights"))
    config._name_or_path = ""
    config.save_pretrained(str(target / "weights"))
    processor.save_pretrained(str(target / "processor"))
    for pattern in () if params.from_scratch or params.layers is not None else WEIGHT_FILES:
        for file in folder.glob(pattern):
            shutil.copyfile(file, target / "weights" / file.name)
    return summary
