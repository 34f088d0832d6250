"""Prompts → generated tokens: by transformers' `generate`, or greedily by ONNX Runtime."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.core.errors import InputError
from temper.inference import in_row_order
from temper.models import loading
from temper.params.schema import Generation
from temper.tasks.base.arrays import Batch, pad_ids

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from transformers import GenerationConfig, PreTrainedTokenizerBase

Generate = Callable[[Batch], list[np.ndarray]]


def torch_generate(
    model: Any, settings: Generation, tokenizer: "PreTrainedTokenizerBase"
) -> Generate:
    """Return a function from prompts to the tokens a model generates, without the end token.

    The model is put into evaluation mode and runs on its device; nothing is sampled.
    """
    import torch

    model.eval()
    device = next(model.parameters()).device
    takes_positions = "position_ids" in inspect.signature(model.forward).parameters
    ends = end_tokens(model.generation_config, tokenizer)
    # M2M100 numbers tokens that are not padding: with a cache, a start token that is one counts too
    starts_with_padding = (
        model.generation_config.decoder_start_token_id == model.config.pad_token_id
    )
    numbers_tokens = any(hasattr(m, "create_position_ids_from_input_ids") for m in model.modules())
    use_cache = not (starts_with_padding and numbers_tokens)  # whatever the checkpoint says
    counts_padding = not (model.config.is_encoder_decoder or takes_positions)  # such as BART's

    def generate(batch: Batch) -> list[np.ndarray]:
        inputs = {name: torch.from_numpy(values).to(device) for name, values in batch.items()}
        with torch.inference_mode():
            ids = model.generate(
                **inputs,
                **settings.options(),
                use_cache=use_cache,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=ends,
            )
        start = 1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
        return [before_end(row, ends) for row in ids[:, start:].cpu().numpy()]

    return by_length(generate) if counts_padding else generate


def by_length(generate: Generate) -> Generate:
    """Return a function that generates from prompts of one length at a time, without padding."""

    def generate_by_length(batch: Batch) -> list[np.ndarray]:
        lengths = batch["attention_mask"].sum(1)
        alike = [np.flatnonzero(lengths == length) for length in set(lengths)]

        def run(rows: Any) -> list[np.ndarray]:
            return generate({n: values[rows, -lengths[rows[0]] :] for n, values in batch.items()})

        return in_row_order(alike, run, len(lengths))

    return generate_by_length


def onnx_generate(
    session: "InferenceSession",
    folder: Path,
    settings: Generation,
    tokenizer: "PreTrainedTokenizerBase",
) -> Generate:
    """Return a function like `torch_generate`'s that decodes greedily, without a cache.

    Args:
        folder: says which tokens the model begins with, forces and forbids.

    Raises:
        InputError: the settings ask for beam search or n-gram blocking, or the model forbids
            sequences of tokens.
    """
    if settings.num_beams > 1 or settings.no_repeat_ngram_size:
        raise InputError(
            "the ONNX graph decodes greedily; evaluate.generation asks for more: use --engine torch"
        )
    tokens = loading.open_generation_config(folder)
    ends = end_tokens(tokens, tokenizer)
    is_seq2seq = "decoder_input_ids" in {tensor.name for tensor in session.get_inputs()}
    choose = token_chooser(tokens, settings, ends, is_seq2seq=is_seq2seq)

    def generate(batch: Batch) -> list[np.ndarray]:
        rows = [ids[mask > 0].tolist() for ids, mask in zip(*batch.values(), strict=True)]
        if is_seq2seq:
            rows = [[tokens.decoder_start_token_id] for _ in rows]
        starts, running = [len(row) for row in rows], [*range(len(rows))]
        for step in range(settings.max_new_tokens):
            padded = pad_ids(rows, max(map(len, rows)), tokenizer)
            inputs = batch | {"decoder_input_ids": padded["input_ids"]} if is_seq2seq else padded
            logits = np.asarray(session.run(["logits"], inputs)[0])
            chosen = choose(step, logits[range(len(rows)), [len(row) - 1 for row in rows]])
            for i in running:
                rows[i].append(chosen[i])
            running = [i for i in running if rows[i][-1] not in ends]
            if not running:
                break
        written = [np.array(row[start:]) for row, start in zip(rows, starts, strict=True)]
        return [before_end(ids, ends) for ids in written]

    return generate


def token_chooser(
    tokens: "GenerationConfig", settings: Generation, ends: list[int], *, is_seq2seq: bool
) -> Callable[[int, np.ndarray], list[int]]:
    """Return a function from a step, from 0, and logits (batch, vocabulary) to the next tokens.

    They are the likeliest, where the model forces none, of those that it does not forbid.

    Raises:
        InputError: it forbids some only after others.
    """
    first = tokens.forced_bos_token_id if is_seq2seq else None  # as of BART
    forced = {} if first is None else {0: first}
    if tokens.forced_eos_token_id is not None:  # or several, of which the first is the likeliest
        forced[settings.max_new_tokens - 1] = int(np.min(tokens.forced_eos_token_id))
    sequences = [ids for ids in tokens.bad_words_ids or [] if ids not in [[end] for end in ends]]
    if any(len(ids) > 1 for ids in sequences):
        raise InputError(
            "the ONNX graph cannot forbid sequences of tokens (bad_words_ids in "
            "generation_config.json): use --engine torch"
        )
    forbidden = [*(tokens.suppress_tokens or ()), *(ids[0] for ids in sequences)]
    forbidden_first = [*forbidden, *(tokens.begin_suppress_tokens or ())]
    first_free = 0 if first is None else 1

    def choose(step: int, logits: np.ndarray) -> list[int]:
        if (token := forced.get(step)) is not None:
            return [token] * len(logits)
        logits[:, forbidden_first if step == first_free else forbidden] = -np.inf
        return logits.argmax(-1).tolist()

    return choose


def end_tokens(tokens: "GenerationConfig", tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """Return the tokens that end a text: the tokenizer's, and further ones of a checkpoint."""
    further: Any = [] if tokens.eos_token_id is None else tokens.eos_token_id
    end: Any = tokenizer.eos_token_id
    return np.union1d(end, further).astype(int).tolist()


def before_end(ids: np.ndarray, ends: list[int]) -> np.ndarray:
    """Return the tokens before the first one that ends a text."""
    found = np.flatnonzero(np.isin(ids, ends))
    return ids[: found[0]] if len(found) else ids
