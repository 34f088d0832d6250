"""The modules of a sentence-transformers checkpoint → how its tokens' vectors become one.

Such a folder lists its modules in modules.json: a transformer, a pooling with its config.json, and
often a normalisation. A checkpoint without the file is a plain transformer.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from temper.core import artifacts
from temper.core.errors import InputError
from temper.params.task import Embeddings

PROMPTS_FILE = "config_sentence_transformers.json"
MODULES = ("Transformer", "Pooling", "Normalize")
SUPPORTED = ("mean", "cls", "max")
PROMPTS = {  # of `task.prompts` → their names in a checkpoint, as `encode_document` looks for them
    "query": ("query",),
    "document": ("document", "passage", "corpus"),
}
LEGACY = {  # keys of a pooling's config.json before `pooling_mode`
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


def set_pooling(config: Any, folder: Path, task: Any, name: str) -> None:
    """Write `sentence_pooling` into a model's config, if the task is `embeddings`.

    That of `task.pooling`, of an earlier training, or of the checkpoint's modules; else mean.

    Args:
        config: of the model in `folder`.
        folder: of the checkpoint.
        task: the `task` group of params.yaml.
        name: of the model, for errors.

    Raises:
        InputError: the checkpoint has a module or a pooling that temper does not have, or is an
            encoder with a decoder.
    """
    if not isinstance(task, Embeddings):
        return
    if config.is_encoder_decoder:
        raise InputError(
            f"model {name}: {config.model_type} is an encoder with a decoder, and embeddings needs "
            "one of the two alone, such as BERT"
        )
    poolings = read_poolings(folder, name)
    chosen = task.pooling or getattr(config, "sentence_pooling", None)
    if chosen is None and len(poolings) == 1 and poolings[0] not in SUPPORTED:
        raise InputError(
            f"model {name}: pools its tokens by {poolings[0]!r}; supported are "
            f"{', '.join(SUPPORTED)}: choose one of them with task.pooling, or another model"
        )
    if chosen is None and len(poolings) > 1:
        raise InputError(
            f"model {name}: joins the vectors of several poolings ({', '.join(poolings)}): choose "
            "one of them with task.pooling, or another model"
        )
    config.sentence_pooling = chosen or (poolings or ["mean"])[0]
    check_prompts(folder, task, name)


def check_prompts(folder: Path, task: Embeddings, name: str) -> None:
    """Check that params.yaml says which prompts of a checkpoint are used.

    Raises:
        InputError: it does not, a file cannot be read, or the pooling leaves prompts out.
    """
    file = folder / PROMPTS_FILE
    pooling = folder / "1_Pooling" / "config.json"
    try:
        stored, settings = (artifacts.read_json(f) if f.is_file() else {} for f in (file, pooling))
        found = {key: text for key, text in (stored.get("prompts") or {}).items() if text}
        leaves_out = settings.get("include_prompt") is False
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"model {name}: {file} or {pooling} cannot be read ({error}); copy the folder again"
        ) from error
    if task.prompts is None and found:
        named = name_prompts(found)
        raise InputError(
            f"model {name}: {file} has the prompts {json.dumps(found)[:400]}; say which of them "
            f"texts get, as in task.prompts: {json.dumps(named)[:400]}, or with "
            'task.prompts: {"query": "", "document": ""} that they get none'
        )
    if leaves_out and task.prompts is not None and any(task.prompts.model_dump().values()):
        raise InputError(
            f"model {name}: its pooling leaves the tokens of prompts out (include_prompt: false in "
            f"{pooling}), which temper does not do: use another model, or remove task.prompts"
        )


def name_prompts(found: Mapping[str, str]) -> dict[str, str]:
    """Return a checkpoint's prompts as `task.prompts` names them; '' where it has none."""
    return {
        key: next((found[other] for other in others if found.get(other)), "")
        for key, others in PROMPTS.items()
    }


def read_poolings(folder: Path, name: str) -> list[str]:
    """Return the poolings of a checkpoint's modules, none without a modules.json.

    Raises:
        InputError: modules.json is damaged, or has a module that changes vectors.
    """
    file = folder / "modules.json"
    if not file.is_file():
        return []
    try:
        modules = {m["type"].rpartition(".")[2]: m["path"] for m in artifacts.read_json(file)}
        pooling = folder / modules["Pooling"] / "config.json" if "Pooling" in modules else None
        settings = {} if pooling is None else artifacts.read_json(pooling)
        legacy = [mode for key, mode in LEGACY.items() if settings.get(key)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"model {name}: {file} or the config.json of its pooling cannot be read ({error}); "
            "copy the whole folder again"
        ) from error
    if unknown := [module for module in modules if module not in MODULES]:
        raise InputError(
            f"model {name}: {file} has the module {unknown[0]}, which changes vectors; known are "
            f"{', '.join(MODULES)}: use another model, or remove modules.json to train the "
            "transformer alone"
        )
    mode = settings.get("pooling_mode", legacy)
    return [mode] if isinstance(mode, str) else list(mode)
