"""Prompts → generated tokens: by transformers' `generate`, or greedily by ONNX Runtime."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.core.errors import InputError
from temper.inference import BATCHES_PER_WINDOW
from temper.params.schema import Generation
from temper.tasks.base import Task
from temper.tasks.base.arrays import Batch, Rows, pad, pad_id

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

Generate = Callable[[Batch], list[np.ndarray]]


def predict(
    generate: Generate,
    features: Rows,
    task: Task,
    tokenizer: "PreTrainedTokenizerBase",
    batch_size: int,
) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Yield `(first row, token ids)` for windows of rows, in row order.

    Within a window rows are batched by length, so that little is padded.

    Args:
        generate: from `torch_generate` or `onnx_generate`.
        features: the encoded rows.
        task: makes prompts of rows.
        tokenizer: pads them.
        batch_size: prompts per call of `generate`.
    """
    size = batch_size * BATCHES_PER_WINDOW
    for start in range(0, len(features), size):
        rows = [features[i] for i in range(start, min(start + size, len(features)))]
        order = np.argsort([-row["length"] for row in rows], kind="stable")
        outputs: list[Any] = [None] * len(rows)
        for first in range(0, len(rows), batch_size):
            indices = order[first : first + batch_size]
            prompts = task.prompts([rows[i] for i in indices], tokenizer)
            for i, ids in zip(indices, generate(prompts), strict=True):
                outputs[i] = ids
        yield start, outputs


def torch_generate(
    model: Any, settings: Generation, tokenizer: "PreTrainedTokenizerBase"
) -> Generate:
    """Return a function from prompts to the tokens a model generates, without the end token.

    Args:
        model: a transformers model, put into evaluation mode; runs on its device.
        settings: `evaluate.generation`; nothing is sampled.
        tokenizer: gives the pad and end ids.
    """
    import torch

    model.eval()
    device, options = next(model.parameters()).device, settings.model_dump()
    takes_positions = "position_ids" in inspect.signature(model.forward).parameters
    counts_padding = not (model.config.is_encoder_decoder or takes_positions)  # such as BART's
    if options["num_beams"] == 1:
        options.pop("length_penalty")

    def generate(batch: Batch) -> list[np.ndarray]:
        lengths = batch["attention_mask"].sum(1)
        if counts_padding and len(set(lengths)) > 1:
            generated: list[Any] = [None] * len(lengths)
            for length in set(lengths):
                rows = np.flatnonzero(lengths == length)
                alike = {name: values[rows, -length:] for name, values in batch.items()}
                for row, ids in zip(rows, generate(alike), strict=True):
                    generated[row] = ids
            return generated
        inputs = {name: torch.from_numpy(values).to(device) for name, values in batch.items()}
        with torch.inference_mode():
            ids = model.generate(
                **inputs,
                **options,
                do_sample=False,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        start = 1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
        return [before_end(row, tokenizer.eos_token_id) for row in ids[:, start:].cpu().numpy()]

    return generate


def onnx_generate(
    session: "InferenceSession",
    settings: Generation,
    tokenizer: "PreTrainedTokenizerBase",
    config: "PretrainedConfig",
) -> Generate:
    """Return a function like `torch_generate`'s from an ONNX graph.

    It decodes greedily and has no cache: each step runs over the whole text.

    Raises:
        InputError: the settings ask for beam search or n-gram blocking.
    """
    if settings.num_beams > 1 or settings.no_repeat_ngram_size:
        raise InputError(
            "the ONNX graph decodes greedily; evaluate.generation asks for more: use --engine torch"
        )
    input_names = {tensor.name for tensor in session.get_inputs()}
    start = getattr(config, "decoder_start_token_id", None)
    forced = {}  # step → token, as `generate` has it of BART's family
    if "decoder_input_ids" in input_names:
        forced[0] = getattr(config, "forced_bos_token_id", None)
    forced[settings.max_new_tokens - 1] = getattr(config, "forced_eos_token_id", None)

    def generate(batch: Batch) -> list[np.ndarray]:
        texts = [ids[mask > 0] for ids, mask in zip(*batch.values(), strict=True)]
        is_seq2seq = "decoder_input_ids" in input_names
        prefixes = [np.array([start]) if is_seq2seq else ids for ids in texts]
        generated: list[list[int]] = [[] for _ in texts]
        is_running = np.ones(len(texts), dtype=bool)
        for step in range(settings.max_new_tokens):
            rows = [np.append(a, b) for a, b in zip(prefixes, generated, strict=True)]
            inputs = _step_inputs(
                batch, [row.astype(np.int64) for row in rows], input_names, pad_id(tokenizer)
            )
            logits = np.asarray(session.run(["logits"], inputs)[0])
            for i in np.flatnonzero(is_running):
                token = forced.get(step)
                likeliest = int(logits[i, len(rows[i]) - 1].argmax())
                generated[i].append(likeliest if token is None else token)
                is_running[i] = generated[i][-1] != tokenizer.eos_token_id
            if not is_running.any():
                break
        return [before_end(np.array(ids), tokenizer.eos_token_id) for ids in generated]

    return generate


def _step_inputs(
    batch: Batch, rows: Sequence[np.ndarray], input_names: set[str], fill: int
) -> Batch:
    """Return the graph's inputs for the tokens so far, padded on the right."""
    length = max(map(len, rows))
    ids = pad(rows, length, fill)
    if "decoder_input_ids" in input_names:
        return {**batch, "decoder_input_ids": ids}
    mask = pad([np.ones(len(row)) for row in rows], length, 0)
    return {"input_ids": ids, "attention_mask": mask}


def before_end(ids: np.ndarray, end: Any) -> np.ndarray:
    """Return the tokens before the first end-of-sequence token."""
    ends = np.flatnonzero(ids == end)
    return ids[: ends[0]] if len(ends) else ids
