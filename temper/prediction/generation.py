"""Prompts → the tokens a model writes: by transformers' `generate`, or greedily by ONNX."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from temper.inference import BATCHES_PER_WINDOW
from temper.tasks.base import Task
from temper.tasks.base.arrays import Batch

Write = Callable[[Batch], list[np.ndarray]]


def generate(
    write: Write, features: Any, task: Task, processor: Any, batch_size: int
) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Yield `(first row, token ids)` for windows of rows, in row order.

    Args:
        write: from `torch_writer` or `onnx_writer`.
        features: a `Dataset` or `Features`.
        task: makes prompts of rows.
        processor: the tokenizer.
        batch_size: rows written at once.
    """
    size = batch_size * BATCHES_PER_WINDOW
    for start in range(0, len(features), size):
        rows = [features[i] for i in range(start, min(start + size, len(features)))]
        order = np.argsort([-row["length"] for row in rows], kind="stable")
        found: list[Any] = [None] * len(rows)
        for at in range(0, len(rows), batch_size):
            chosen = order[at : at + batch_size]
            written = write(task.prompts([rows[i] for i in chosen], processor))
            for i, ids in zip(chosen, written, strict=True):
                found[i] = ids
        yield start, found


def torch_writer(model: Any, settings: Any, processor: Any) -> Write:
    """Return a function from prompts to what the model writes after them, the end cut off.

    Args:
        model: put into evaluation mode; runs on its device.
        settings: `evaluate.generation`; nothing is sampled.
        processor: gives the pad and end ids.
    """
    import torch

    model.eval()
    device, options = next(model.parameters()).device, settings.model_dump()
    if options["num_beams"] == 1:
        options.pop("length_penalty")

    def write(batch: Batch) -> list[np.ndarray]:
        inputs = {name: torch.from_numpy(values).to(device) for name, values in batch.items()}
        with torch.inference_mode():
            found = model.generate(
                **inputs,
                **options,
                do_sample=False,
                pad_token_id=processor.pad_token_id,
                eos_token_id=processor.eos_token_id,
            )
        start = 1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
        return [ended(row, processor.eos_token_id) for row in found[:, start:].cpu().numpy()]

    return write


def onnx_writer(session: Any, settings: Any, processor: Any, config: Any) -> Write:
    """Return a function like `torch_writer`'s from an ONNX graph: greedy, the whole text each step.

    Raises:
        InputError: beams are asked for.
    """
    from temper.core.errors import InputError

    if settings.num_beams > 1 or settings.no_repeat_ngram_size:
        raise InputError(
            "the ONNX graph writes greedily; evaluate.generation asks for more: use --engine torch"
        )
    names = {tensor.name for tensor in session.get_inputs()}
    start = getattr(config, "decoder_start_token_id", None)

    def write(batch: Batch) -> list[np.ndarray]:
        texts = [ids[mask > 0] for ids, mask in zip(*batch.values(), strict=True)]
        before = [np.array([start]) if "decoder_input_ids" in names else ids for ids in texts]
        written: list[list[int]] = [[] for _ in texts]
        going = np.ones(len(texts), dtype=bool)
        for _ in range(settings.max_new_tokens):
            rows = [np.append(a, b) for a, b in zip(before, written, strict=True)]
            inputs = _step(batch, [row.astype(np.int64) for row in rows], names, processor)
            logits = np.asarray(session.run(["logits"], inputs)[0])
            for i in np.flatnonzero(going):
                written[i].append(int(logits[i, len(rows[i]) - 1].argmax()))
                going[i] = written[i][-1] != processor.eos_token_id
            if not going.any():
                break
        return [ended(np.array(ids), processor.eos_token_id) for ids in written]

    return write


def _step(batch: Batch, rows: list[np.ndarray], names: set[str], processor: Any) -> Batch:
    """Return the graph's inputs for what has been written so far, padded on the right."""
    width, pad = max(map(len, rows)), processor.pad_token_id or 0
    ids, mask = np.full((len(rows), width), pad), np.zeros((len(rows), width), dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)], mask[i, : len(row)] = row, 1
    if "decoder_input_ids" in names:
        return {**batch, "decoder_input_ids": ids}
    return {"input_ids": ids, "attention_mask": mask}


def ended(ids: np.ndarray, end: int) -> np.ndarray:
    """Return the tokens before the first end-of-sequence token."""
    at = np.flatnonzero(ids == end)
    return ids[: at[0]] if len(at) else ids
