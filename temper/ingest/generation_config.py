"""A checkpoint's generation_config.json → the tokens that it begins with, forces and forbids.

How texts are searched for and how long they get is `evaluate.generation`'s to say: a summarizer's
least length or a chat model's temperature would be a parameter that is not in params.yaml.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

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
        config: the model's; gets the token that targets begin with, where it has none or it is a
            language.

    Returns:
        what it says about tokens, with the overrides of `model.config` that the model has; and what
        is not taken.

    Raises:
        InputError: generation_config.json cannot be read, names a token that does not exist, or
            begins texts with another token than config.json.
    """
    from transformers import GenerationConfig
    from transformers.utils import CONFIG_NAME, GENERATION_CONFIG_NAME

    has_own = (folder / GENERATION_CONFIG_NAME).exists()
    file = folder / (GENERATION_CONFIG_NAME if has_own else CONFIG_NAME)
    where = f"model {params.name}: {file}"
    size = config.get_text_config(decoder=True).vocab_size
    options: dict[str, Any] = {"local_files_only": True, "_from_model_config": not has_own}
    try:
        settings = GenerationConfig.from_pretrained(str(folder), file.name, **options)
    except Exception as error:  # transformers raises anything
        raise InputError(f"{where}: {first_line(error):.300}") from error
    found = {k: v for k, v in settings.to_diff_dict().items() if v is not None and v is not False}
    tokens = {k: v for k, v in (found | params.config).items() if k in TOKENS}
    for name, value in tokens.items():
        if not all(_exists(token, size) for token in _flat(value)):
            raise InputError(f"{where}: {name} is {value}; the model has tokens 0 to {size - 1}")
    tokens |= {name: getattr(tokenizer, name) for name in OF_TOKENIZER}
    further = [end for end in _flat(found.get("eos_token_id", [])) if _exists(end, size)]
    if ends := [end for end in further if end != tokenizer.eos_token_id]:
        tokens["eos_token_id"] = [tokenizer.eos_token_id, *ends]
    if config.is_encoder_decoder:
        tokens["decoder_start_token_id"] = _set_start(
            tokens.get("decoder_start_token_id"), config, where
        )
    generation = GenerationConfig(**tokens)
    if config.is_encoder_decoder and languages.has_languages(tokenizer):
        languages.begin_in(tokenizer.tgt_lang, tokenizer, config, generation)
    not_taken = {*found} - {*TOKENS, *OF_TOKENIZER, *WITHOUT_EFFECT}
    return generation, {name: found[name] for name in sorted(not_taken)}


def _flat(value: Any) -> list:
    return (
        [token for item in value for token in _flat(item)] if isinstance(value, list) else [value]
    )


def _exists(token: Any, size: int) -> bool:
    return type(token) is int and 0 <= token < size


def _set_start(generated: int | None, config: "PretrainedConfig", where: str) -> int | None:
    """Let targets begin, in training, with the token that generated texts begin with.

    Raises:
        InputError: they have one each.
    """
    learned = getattr(config, "decoder_start_token_id", None)
    if None not in (generated, learned) and generated != learned:
        raise InputError(
            f"{where}: texts begin with token {generated}, and in config.json with {learned}: say "
            f"which in model.config, as in {{decoder_start_token_id: {learned}}}"
        )
    config.decoder_start_token_id = generated if learned is None else learned
    return config.decoder_start_token_id
