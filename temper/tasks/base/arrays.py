"""Rows of different lengths → padded arrays and back; logits → log-probabilities."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from temper.params.schema import Settings

Batch = dict[str, np.ndarray]
Collator = Callable[[Sequence[Mapping[str, Any]]], Batch]

IGNORE_INDEX = -100  # a label with this value counts in no loss and no metric; floats use NaN


class Rows(Protocol):
    """Rows by their numbers, a column by its name: a `Dataset`, or a list that answers like one."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __getitem__(self, key: Any, /) -> Any: ...

    def __getitems__(self, indices: Any, /) -> list: ...


def pad(rows: Sequence[Any], length: int, fill: int, *, left: bool = False) -> np.ndarray:
    """Return lists of different lengths as one int64 array (rows, length)."""
    padded = np.full((len(rows), length), fill, dtype=np.int64)
    for target, values in zip(padded, rows, strict=True):
        if len(values):
            target[slice(length - len(values), None) if left else slice(len(values))] = values
    return padded


def unpad(padded: np.ndarray, lengths: Sequence[int], *, left: bool) -> list[np.ndarray]:
    """Return each row without the padding of axis 1."""
    width = padded.shape[1]
    return [
        row[width - length :] if left else row[:length]
        for row, length in zip(padded, lengths, strict=True)
    ]


def padded_length(lengths: Iterable[int], settings: "Settings") -> int:
    """Return the tokens per row of a batch.

    With `tokenize.padding: max_length` that is the maximum, otherwise the longest row's length
    rounded up to `tokenize.pad_to_multiple_of`.
    """
    tokenize = settings.tokenize
    if tokenize.padding == "max_length":
        return int(tokenize.max_length or 0)
    multiple = tokenize.pad_to_multiple_of or 1
    return -(-max(1, *lengths) // multiple) * multiple


def pads_left(tokenizer: "PreTrainedTokenizerBase") -> bool:
    return tokenizer.padding_side == "left"


def pad_texts(
    rows: Sequence[Mapping[str, Any]],
    tokenizer: "PreTrainedTokenizerBase",
    settings: "Settings",
) -> Batch:
    """Return `input_ids`, `attention_mask` and, where rows have them, `token_type_ids`.

    All are (batch, tokens), int64, padded on the tokenizer's side.
    """
    length = padded_length((len(row["input_ids"]) for row in rows), settings)
    left = pads_left(tokenizer)
    ids = [row["input_ids"] for row in rows]
    batch = {"input_ids": pad(ids, length, pad_id(tokenizer), left=left)}
    if "token_type_ids" in rows[0]:
        batch["token_type_ids"] = pad([r["token_type_ids"] for r in rows], length, 0, left=left)
    batch["attention_mask"] = pad([np.ones(len(row)) for row in ids], length, 0, left=left)
    return batch


def pad_id(tokenizer: "PreTrainedTokenizerBase") -> int:
    """Return the id of the pad token, 0 where the tokenizer has none."""
    pad_token_id: Any = tokenizer.pad_token_id
    return pad_token_id or 0


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log-probabilities over the last axis, float64."""
    precise = logits.astype(np.float64)
    shifted = precise - precise.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def negative_log_likelihood(logits: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return -log p of each id, (rows,), from logits (rows, classes)."""
    return -log_softmax(logits)[np.arange(len(ids)), ids]
