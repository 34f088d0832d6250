"""Texts → another language and back, by one or two sequence-to-sequence models, without sampling.

Sennrich et al. 2016 (arXiv:1511.06709) introduced back-translation for training data.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from temper.core.errors import InputError
from temper.params.tokenize import BackTranslation
from temper.tasks.base import languages

NO_LIMIT = 10**9  # T5's relative positions

Translate = Callable[[Sequence[str]], list[str]]


def build_back_translation(
    p: BackTranslation, translators: Path
) -> Callable[[Sequence[str], Sequence[np.random.Generator]], list[str]]:
    """Return a function that translates texts both ways; it ignores the generators.

    Raises:
        InputError: a model is not a translation model, or does not know a language.
    """
    models = {name: open_model(translators / name) for name in sorted({p.there, p.back})}
    there = build_translator(*models[p.there], p.there_prefix, (p.source_lang, p.target_lang), p)
    back = build_translator(*models[p.back], p.back_prefix, (p.target_lang, p.source_lang), p)
    return lambda texts, _: back(there(texts))


def open_model(folder: Path) -> tuple[Any, Any]:
    """Load a downloaded model on the CPU in fp32, and its tokenizer.

    Raises:
        InputError: the folder is missing or does not hold a sequence-to-sequence model.
    """
    import torch
    import transformers

    transformers.logging.disable_progress_bar()
    if not folder.is_dir():
        raise InputError(f"{folder} does not exist; run dvc repro, which downloads it")
    options = {"local_files_only": True}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), **options)
        model = transformers.AutoModelForSeq2SeqLM.from_pretrained(
            str(folder), dtype=torch.float32, **options
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: back_translation needs a sequence-to-sequence model with its tokenizer: "
            f"{error}"
        ) from None
    return model.eval(), tokenizer


def build_translator(
    model: Any,
    tokenizer: Any,
    prefix: str,
    languages: tuple[str | None, str | None],
    p: BackTranslation,
) -> Translate:
    """Return a function that translates texts one way.

    Args:
        languages: source and target code of a multilingual model, or None twice.
    """
    source, target = languages
    options = {"max_new_tokens": p.max_new_tokens, "num_beams": p.num_beams, "do_sample": False}
    if source is not None and target is not None:
        language_id(tokenizer, source)
        options["forced_bos_token_id"] = language_id(tokenizer, target)
    max_length = max_input_length(model, tokenizer, p.max_new_tokens)

    def translate(texts: Sequence[str]) -> list[str]:
        if source is not None:
            tokenizer.src_lang = source  # both ways may share a tokenizer
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))  # less padding
        translations: dict[int, str] = {}
        for start in range(0, len(order), p.batch_size):
            rows = order[start : start + p.batch_size]
            batch = [prefix + texts[i] for i in rows]
            generated = generate(model, tokenizer, batch, max_length, options)
            translations |= zip(rows, generated, strict=True)
        return [translations[i] for i in range(len(texts))]

    return translate


def generate(
    model: Any, tokenizer: Any, texts: list[str], max_length: int, options: dict[str, Any]
) -> list[str]:
    """Generate a text for each of a batch, without special tokens."""
    import torch

    limits = {"padding": True, "truncation": True, "max_length": max_length}
    inputs = tokenizer(texts, return_tensors="pt", **limits)
    given = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        ids = model.generate(**given, **options)
    return [str(text).strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]


def max_input_length(model: Any, tokenizer: Any, max_new_tokens: int) -> int:
    """Return the most tokens that a model can read.

    Raises:
        InputError: it has fewer positions than `max_new_tokens` and the start token need.
    """
    positions = getattr(model.config, "max_position_embeddings", NO_LIMIT)
    if max_new_tokens >= positions:
        raise InputError(
            f"tokenize.augment.back_translation.max_new_tokens is {max_new_tokens}, but the model "
            f"has positions for {positions} tokens, including the start token; set it lower"
        )
    return min(tokenizer.model_max_length, positions)


def language_id(tokenizer: Any, code: str) -> int:
    """Return the id of a language's token.

    Raises:
        InputError: the tokenizer has no language codes, or not this one.
    """
    if not languages.has_languages(tokenizer):
        raise InputError(
            f"{type(tokenizer).__name__} has no language codes; set source_lang and target_lang of "
            "tokenize.augment.back_translation to null"
        )
    return languages.language_id(tokenizer, code, "tokenize.augment.back_translation")
