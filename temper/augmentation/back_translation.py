"""Texts → another language and back, by one sequence-to-sequence model or two; nothing is sampled.

Sennrich et al. 2016 (arXiv:1511.06709) made training data like this.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from temper.core.errors import InputError, nearest
from temper.params.tokenize import BackTranslation

NO_LIMIT = 10**9  # T5's positions are relative

Translate = Callable[[Sequence[str]], list[str]]


def build_back_translation(
    p: BackTranslation, translators: Path
) -> Callable[[Sequence[str], Any], list[str]]:
    """Return a function from texts to what they are after both ways; it draws nothing.

    Args:
        p: models, languages, generation.
        translators: the folder of the fetched models.

    Raises:
        InputError: a model does not translate, or does not know a language.
    """
    opened = {name: open_model(translators / name) for name in sorted({p.there, p.back})}
    there = build_translator(*opened[p.there], p.there_prefix, (p.source_lang, p.target_lang), p)
    back = build_translator(*opened[p.back], p.back_prefix, (p.target_lang, p.source_lang), p)

    def rewrite(texts: Sequence[str], _: Sequence[np.random.Generator]) -> list[str]:
        return back(there(texts))

    return rewrite


def open_model(folder: Path) -> tuple[Any, Any]:
    """Load a fetched model on the CPU, in 32-bit numbers, and its tokenizer.

    Raises:
        InputError: it is not there, or is no sequence-to-sequence model.
    """
    import torch
    import transformers

    transformers.logging.disable_progress_bar()
    if not folder.is_dir():
        raise InputError(f"{folder} does not exist; run dvc repro, which fetches it")
    options = {"local_files_only": True}
    try:
        processor = transformers.AutoTokenizer.from_pretrained(str(folder), **options)
        model = transformers.AutoModelForSeq2SeqLM.from_pretrained(
            str(folder), dtype=torch.float32, **options
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: back_translation needs a sequence-to-sequence model with its tokenizer: "
            f"{error}"
        ) from None
    return model.eval(), processor


def build_translator(
    model: Any,
    processor: Any,
    prefix: str,
    languages: tuple[str | None, str | None],
    p: BackTranslation,
) -> Translate:
    """Return a function that translates texts one way.

    Args:
        model: of `open_model`.
        processor: its tokenizer.
        prefix: put before each text.
        languages: codes from and to, of a multilingual model, or None twice.
        p: `tokenize.augment.back_translation`.
    """
    source, target = languages
    options = {"max_new_tokens": p.max_new_tokens, "num_beams": p.num_beams, "do_sample": False}
    if source is not None and target is not None:
        language_id(processor, source)
        options["forced_bos_token_id"] = language_id(processor, target)
    longest = longest_input(model, processor, p.max_new_tokens)

    def translate(texts: Sequence[str]) -> list[str]:
        if source is not None:
            processor.src_lang = source  # the way back may use the same tokenizer
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))  # less padding
        found: dict[int, str] = {}
        for at in range(0, len(order), p.batch_size):
            chosen = order[at : at + p.batch_size]
            batch = [prefix + texts[i] for i in chosen]
            written = write(model, processor, batch, longest, options)
            found |= zip(chosen, written, strict=True)
        return [found[i] for i in range(len(texts))]

    return translate


def longest_input(model: Any, processor: Any, max_new_tokens: int) -> int:
    """Return the tokens a model can read.

    Raises:
        InputError: it cannot write as many as it is to.
    """
    positions = getattr(model.config, "max_position_embeddings", NO_LIMIT)
    if max_new_tokens >= positions:
        raise InputError(
            f"tokenize.augment.back_translation.max_new_tokens is {max_new_tokens}, but the model "
            f"has positions for {positions} tokens, one of them for the start; set it lower"
        )
    return min(processor.model_max_length, positions)


def write(model: Any, processor: Any, texts: list[str], longest: int, options: dict) -> list[str]:
    """Return what a model writes for each text of a batch, without special tokens."""
    import torch

    inputs = processor(
        texts, padding=True, truncation=True, max_length=longest, return_tensors="pt"
    )
    with torch.inference_mode():
        ids = model.generate(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], **options
        )
    return [str(text).strip() for text in processor.batch_decode(ids, skip_special_tokens=True)]


def language_id(processor: Any, code: str) -> int:
    """Return the id of a language's token.

    Raises:
        InputError: the tokenizer has no languages, or not this one.
    """
    if not hasattr(processor, "src_lang"):
        raise InputError(
            f"{type(processor).__name__} has no language codes; set source_lang and target_lang of "
            "tokenize.augment.back_translation to null"
        )
    tokens = getattr(processor, "lang_code_to_token", None)  # M2M100: en is __en__
    if tokens is None:  # NLLB, mBART: the code is the token
        tokens = {token: token for token in processor.get_added_vocab()}
    if code not in tokens:
        raise InputError(
            f"tokenize.augment.back_translation: {type(processor).__name__} has no language "
            f"{code!r}{nearest(code, list(tokens))}"
        )
    return processor.convert_tokens_to_ids(tokens[code])
