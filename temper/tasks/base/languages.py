"""Names of languages → the tokens by which a multilingual tokenizer tells a model of them.

NLLB, mBART-50 and M2M100 begin a target with its language; mBART and PLBart end it with that, and
begin the decoder's input with it.
"""

from typing import TYPE_CHECKING, Any

from temper.core.errors import InputError, nearest

if TYPE_CHECKING:
    from transformers import GenerationConfig, PretrainedConfig

NUM_EXAMPLES = 3


def has_languages(tokenizer: Any) -> bool:
    return hasattr(tokenizer, "src_lang")


def language_id(tokenizer: Any, code: str, key: str) -> int:
    """Return the id of a language's token; `key` of params.yaml names it.

    Raises:
        InputError: the tokenizer has no such language.
    """
    tokens = language_tokens(tokenizer)
    if code not in tokens:
        raise InputError(
            f"{key}: {type(tokenizer).__name__} has no language {code!r}"
            f"{nearest(code, list(tokens))}"
        )
    return tokenizer.convert_tokens_to_ids(tokens[code])


def language_tokens(tokenizer: Any) -> dict[str, str]:
    """Return the token of each language; where the code is the token, of each added token."""
    tokens = getattr(tokenizer, "lang_code_to_token", None)  # M2M100: en is __en__
    return tokens or {token: token for token in tokenizer.get_added_vocab()}


def set_languages(tokenizer: Any, source: str | None, target: str | None, name: str) -> None:
    """Let a tokenizer write the languages of a translation, also once it is saved and loaded.

    Args:
        name: of the model, for errors.

    Raises:
        InputError: it has no languages, or not these, or needs to be told them.
    """
    if source is None or target is None:
        if not has_languages(tokenizer) or tokenizer.tgt_lang is not None:
            return
        codes = [c for c in language_tokens(tokenizer) if not c.startswith("<")][:NUM_EXAMPLES]
        raise InputError(
            f"model {name} writes several languages ({', '.join(codes)} …): set "
            "task.source_language and task.target_language"
        )
    if not has_languages(tokenizer):
        raise InputError(
            f"task.target_language: the tokenizer of {name} has no languages; remove it and "
            "task.source_language"
        )
    for key, code in (("source", source), ("target", target)):
        language_id(tokenizer, code, f"task.{key}_language")
    tokenizer.src_lang, tokenizer.tgt_lang = source, target
    tokenizer.init_kwargs |= {"src_lang": source, "tgt_lang": target}


def begin_in(
    target: str, tokenizer: Any, config: "PretrainedConfig", generation: "GenerationConfig"
) -> None:
    """Let what a model writes begin in a language, as the targets that it learns do."""
    language = language_id(tokenizer, target, "task.target_language")
    if tokenizer(text_target="")["input_ids"][0] == language:
        generation.forced_bos_token_id = language
    else:
        config.decoder_start_token_id = generation.decoder_start_token_id = language
