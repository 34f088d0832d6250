"""A checkpoint's generation_config.json → the tokens that it begins with, forces and forbids.

How texts are searched for and how long they get is `evaluate.generation`'s to say: a summarizer's
least length or a chat model's temperature would be a parameter that is not in params.yaml.
"""

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.core.errors import InputError, first_line
from temper.params.model import ModelParams
from temper.tasks.base import languages

if TYPE_CHECKING:
    from transformers import GenerationConfig, PretrainedConfig

TOKENS = (
    "bad_words_ids",
    "begin_suppress_tokens",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "suppress_tokens",
)
OF_TOKENIZER = ("bos_token_id", "eos_token_id", "pad_token_id")  # an end of the checkpoint's counts
WITHOUT_EFFECT = ("_from_model_config", "transformers_version", "use_cache")


def read(
    folder: Path, config: "PretrainedConfig", tokenizer: Any, params: ModelParams
) -> "tuple[GenerationConfig, dict[str, Any]]":
    """Read a checkpoint's settings, from generation_config.json or, if it is old, config.json.

    Args:
        config: the model's; gets the decoder's first token, if that is a language.

    Returns:
        what it says about tokens, with the overrides of `model.config`; and what is not taken.

    Raises:
        InputError: generation_config.json cannot be read, or names a token that does not exist.
    """
    from transformers import GenerationConfig
    from transformers.utils import CONFIG_NAME, GENERATION_CONFIG_NAME

    has_own = (folder / GENERATION_CONFIG_NAME).exists()
    file = folder / (GENERATION_CONFIG_NAME if has_own else CONFIG_NAME)
    options: dict[str, Any] = {"local_files_only": True, "_from_model_config": not has_own}
    try:
        settings = GenerationConfig.from_pretrained(str(folder), file.name, **options)
    except Exception as error:  # transformers raises anything
        raise InputError(f"model {params.name}: {file}: {first_line(error):.300}") from error
    found = {k: v for k, v in settings.to_diff_dict().items() if v is not None and v is not False}
    tokens = {k: v for k, v in (found | params.config).items() if k in TOKENS}
    for name, value in tokens.items():
        if not _exist([*chain(*value)] if name == "bad_words_ids" else value, config):
            raise InputError(
                f"model {params.name}: {file}: {name} is {value}; the model has tokens 0 to "
                f"{config.vocab_size - 1}"
            )
    for name in OF_TOKENIZER:
        tokens[name] = getattr(tokenizer, name)
    ends = np.atleast_1d(found.get("eos_token_id", [])).tolist()
    ends = [*dict.fromkeys([tokenizer.eos_token_id, *(end for end in ends if _exist(end, config))])]
    tokens["eos_token_id"] = ends if len(ends) > 1 else ends[0]
    generation = GenerationConfig(**tokens)
    if config.is_encoder_decoder and languages.has_languages(tokenizer):
        languages.begin_in(tokenizer.tgt_lang, tokenizer, config, generation)
    not_taken = {*found} - {*TOKENS, *OF_TOKENIZER, *WITHOUT_EFFECT}
    return generation, {name: found[name] for name in sorted(not_taken)}


def _exist(tokens: Any, config: "PretrainedConfig") -> bool:
    ids = np.asarray(tokens)
    return ids.dtype.kind == "i" and bool(((ids >= 0) & (ids < config.vocab_size)).all())
