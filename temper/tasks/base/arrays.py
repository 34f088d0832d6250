"""Lists of tokens → padded arrays and blocks; logits → log-probabilities. What tasks share."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.core.errors import InputError

if TYPE_CHECKING:
    from temper.params.schema import Settings

Batch = dict[str, np.ndarray]
Collator = Callable[[Sequence[Mapping[str, Any]]], Batch]

IGNORE_INDEX = -100  # a class id with this value is in no loss and no metric; floats use NaN


def pad(values: Sequence[Any], width: int, fill: Any, *, left: bool = False) -> np.ndarray:
    """Return lists of different lengths as one int64 array (rows, width)."""
    found = np.full((len(values), width), fill, dtype=np.int64)
    for row, items in zip(found, values, strict=True):
        if len(items):
            row[slice(width - len(items), None) if left else slice(len(items))] = items
    return found


def padded_length(lengths: Iterable[int], settings: "Settings") -> int:
    """Return the tokens of a batch: the longest row's or max_length, a multiple as asked."""
    tokenize = settings.tokenize
    if tokenize.padding == "max_length":
        return int(tokenize.max_length or 0)
    multiple = tokenize.pad_to_multiple_of or 1
    return -(-max(1, *lengths) // multiple) * multiple


def pad_texts(
    rows: Sequence[Mapping[str, Any]], processor: Any, settings: "Settings"
) -> tuple[Batch, bool]:
    """Return input_ids, attention_mask and, where rows have them, token_type_ids; and the side.

    All are (batch, tokens), int64.
    """
    width = padded_length((len(row["input_ids"]) for row in rows), settings)
    left = processor.padding_side == "left"
    ids = [row["input_ids"] for row in rows]
    batch = {"input_ids": pad(ids, width, processor.pad_token_id or 0, left=left)}
    if "token_type_ids" in rows[0]:
        batch["token_type_ids"] = pad([r["token_type_ids"] for r in rows], width, 0, left=left)
    batch["attention_mask"] = pad([np.ones(len(row)) for row in ids], width, 0, left=left)
    return batch, left


def cut(kept: np.ndarray, lengths: Sequence[int], *, left: bool) -> list[np.ndarray]:
    """Return each row's own part of axis 1."""
    width = kept.shape[1]
    return [
        row[width - size :] if left else row[:size] for row, size in zip(kept, lengths, strict=True)
    ]


def groups(example_ids: Any, num_examples: int) -> Iterator[slice]:
    """Yield for each example the slice of its features, which stand together; each has one."""
    ids = np.asarray(example_ids)
    ids = ids - ids[0]
    starts = np.searchsorted(ids, np.arange(num_examples + 1))
    yield from (slice(a, b) for a, b in pairwise(starts))


def fast(processor: Any, what: str) -> Any:
    """Return the tokenizer.

    Raises:
        InputError: it is a slow one, which cannot say where its tokens come from.
    """
    if not processor.is_fast:
        raise InputError(
            f"{what} needs a fast tokenizer, and {type(processor).__name__} is none; convert it "
            "(a tokenizer.json beside the model)"
        )
    return processor


def blocks(columns: Mapping[str, list], size: int, *, pack: bool) -> dict[str, list]:
    """Cut token columns into features of at most `size` tokens; nothing is lost.

    Args:
        columns: `input_ids` and others of the same lengths; `word_ids` count within a text.
        size: most tokens of a feature.
        pack: first join all texts, so that only the last feature is shorter. The features then
            belong to no example and have no `example_id`.
    """
    columns = dict(columns)
    if "word_ids" in columns and pack:
        first = 0
        numbered = []
        for words in columns["word_ids"]:
            numbered.append([word if word < 0 else word + first for word in words])
            first += max(words, default=-1) + 1
        columns["word_ids"] = numbered
    if pack:
        columns = {name: [[i for row in rows for i in row]] for name, rows in columns.items()}
    starts = [
        (example, start)
        for example, ids in enumerate(columns["input_ids"])
        for start in range(0, max(len(ids), 1), size)
    ]
    found = {
        name: [rows[example][start : start + size] for example, start in starts]
        for name, rows in columns.items()
    }
    if not pack:
        found["example_id"] = [example for example, _ in starts]
    found["length"] = [len(ids) for ids in found["input_ids"]]
    return found | {"full_length": found["length"]}


def full_lengths(encoded: Any, texts: Sequence[Sequence[str]], processor: Any) -> list[int]:
    """Return the tokens each row would have had without truncation."""
    lengths = [len(ids) for ids in encoded["input_ids"]]
    if encoded.encodings is None:  # a slow tokenizer does not say what it cut
        cut = list(range(len(lengths)))
    else:
        cut = [i for i, row in enumerate(encoded.encodings) if row.overflowing]
    if cut:
        whole = processor(
            *([column[i] for i in cut] for column in texts), padding=False, verbose=False
        )
        for i, ids in zip(cut, whole["input_ids"], strict=True):
            lengths[i] = len(ids)
    return lengths


def token_counts(rows: Iterable[Sequence[int]]) -> np.ndarray:
    """Return how often each token id stands in the rows, plus one, up to the largest id and one."""
    counts = np.bincount(np.concatenate([np.asarray(row, dtype=np.int64) for row in rows]))
    return np.append(counts, 0) + 1.0


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log-probabilities over the last axis, float64."""
    wide = logits.astype(np.float64)
    shifted = wide - wide.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def negative_log_likelihood(logits: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return -log p of each id, (rows,), from logits (rows, classes)."""
    return -log_softmax(logits)[np.arange(len(ids)), ids]


def token_statistics(logits: Any, labels: np.ndarray) -> Any:
    """Return per row the summed -log p of its labels, those that are likeliest, all of them.

    Args:
        logits: (rows, tokens, vocabulary), a tensor or an array.
        labels: (rows, tokens), `IGNORED` where nothing is to be predicted.

    Returns:
        A tensor (rows, 3), float32.
    """
    import torch

    logits, wanted = torch.as_tensor(logits), torch.as_tensor(labels).to(logits.device)
    counted = wanted != IGNORE_INDEX
    row, token = counted.nonzero(as_tuple=True)
    chosen, ids = logits[row, token].float(), wanted[row, token]
    losses = torch.nn.functional.cross_entropy(chosen, ids, reduction="none")
    parts = (losses, (chosen.argmax(-1) == ids).float(), torch.ones_like(losses))
    found = torch.zeros(len(logits), 3, device=logits.device)
    for column, values in enumerate(parts):
        found[:, column].index_add_(0, row, values)
    return found


def language_scores(outputs: Sequence[np.ndarray]) -> dict[str, float]:
    """Return loss, perplexity and accuracy from `token_statistics` of features."""
    nll, hits, count = np.asarray(outputs, dtype=np.float64).sum(0)
    loss = nll / max(count, 1)
    return {
        "loss": loss,
        "perplexity": float(np.exp(min(loss, 700))),
        "accuracy": hits / max(count, 1),
    }


def summed(outputs: Sequence[np.ndarray], features: Any, num_examples: int) -> list[np.ndarray]:
    """Return the sum of each example's outputs, in order."""
    parts = groups(features["example_id"], num_examples)
    return [np.asarray(outputs[part], dtype=np.float64).reshape(-1, 3).sum(0) for part in parts]


def shown_statistics(value: Any) -> str:
    """Return the perplexity of an example's `token_statistics`."""
    if value is None or not value[2]:
        return ""
    return f"perplexity {np.exp(value[0] / value[2]):.4g} of {int(value[2])} tokens"


def label_columns(
    logits: Sequence[np.ndarray], names: Sequence[str], kind: str, threshold: float | np.ndarray
) -> dict[str, list]:
    """Return prediction, score and one score per label, of logits (outputs,) each.

    Args:
        logits: one per example.
        names: of the labels; none for numbers.
        kind: class, classes or number.
        threshold: of a probability, for several labels; one, or one per label.
    """
    wide = np.stack(logits).astype(np.float64)
    if kind == "number":
        return {"prediction": [float(f"{value:.7g}") for value in wide[:, 0]]}
    if kind == "classes":
        probabilities = 1 / (1 + np.exp(-wide))
        said = [
            "|".join(name for name, holds in zip(names, row, strict=True) if holds)
            for row in probabilities >= threshold
        ]
    else:
        probabilities = np.exp(log_softmax(wide))
        said = [names[i] for i in probabilities.argmax(-1)]
    found: dict[str, list] = {"prediction": said, "score": probabilities.max(-1).round(6).tolist()}
    return found | {
        f"score_{n}": probabilities[:, i].round(6).tolist() for i, n in enumerate(names)
    }


def thresholds(given: Any, names: Sequence[str]) -> float | np.ndarray:
    """Return `evaluate.threshold` as a probability or one per label; 0.5 where it has none."""
    if isinstance(given, dict):
        return np.array([given[name] for name in names])
    return given if isinstance(given, float) else 0.5


def pipeline_snippet(tag: str, call: str) -> str:
    """Return code that loads a model by `pipeline()` and calls it."""
    return (
        "from transformers import pipeline\n\n"
        f'model = pipeline("{tag}", model="path/to/this/folder")\n'
        f"model({call})"
    )


def auto_snippet(auto_model: str, *lines: str) -> str:
    """Return code that loads a model by its AutoModelFor… class, then does `lines`."""
    return "\n".join(
        [
            f"from transformers import {auto_model}, AutoTokenizer",
            "",
            'folder = "path/to/this/folder"',
            "tokenizer = AutoTokenizer.from_pretrained(folder)",
            f"model = {auto_model}.from_pretrained(folder)",
            *lines,
        ]
    )
