"""Rows of different lengths → padded arrays and back; logits → log-probabilities."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from temper.params.schema import Settings

Batch = dict[str, np.ndarray]
Columns = dict[str, list]
Features = Sequence[Mapping[str, Any]]
Collator = Callable[[Features], Batch]
Logits = Sequence[np.ndarray]  # one per feature
Scores = dict[str, float]
ComputeMetrics = Callable[..., Scores]  # of predictions and references

IGNORE_INDEX = -100  # a label with this value counts in no loss and no metric; floats use NaN
PADDING_LOGIT = -1e4  # of an output that only pads its row, and is no class
LABEL_PROBABILITIES = "label_probabilities"  # column: one per label, in the order of their ids


class Rows(Protocol):
    """Rows by their numbers, a column by its name: a `Dataset`, or a list that answers like one."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __getitem__(self, key: Any, /) -> Any: ...

    def __getitems__(self, indices: Any, /) -> list: ...


def as_rows(columns: Mapping[str, Iterable[Any]]) -> list[dict[str, Any]]:
    """Return columns of the same length as rows."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def pad(rows: Sequence[Any], length: int, fill: int, *, left: bool = False) -> np.ndarray:
    """Return lists of different lengths as one int64 array (rows, length)."""
    padded = np.full((len(rows), length), fill, dtype=np.int64)
    for target, values in zip(padded, rows, strict=True):
        if len(values):
            target[slice(length - len(values), None) if left else slice(len(values))] = values
    return padded


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


def pad_texts(rows: Features, tokenizer: "PreTrainedTokenizerBase", settings: "Settings") -> Batch:
    """Return `input_ids`, `attention_mask` and, where rows have them, `token_type_ids`.

    All are (batch, tokens), int64, padded on the tokenizer's side.
    """
    length = padded_length((len(row["input_ids"]) for row in rows), settings)
    left = pads_left(tokenizer)
    batch = pad_ids([row["input_ids"] for row in rows], length, tokenizer, left=left)
    if "token_type_ids" in rows[0]:
        types = pad([row["token_type_ids"] for row in rows], length, 0, left=left)
        batch |= {"token_type_ids": types, "attention_mask": batch.pop("attention_mask")}
    return batch


def pad_ids(
    ids: Sequence[Any], length: int, tokenizer: "PreTrainedTokenizerBase", *, left: bool = False
) -> Batch:
    """Return token ids as `input_ids` and `attention_mask`, (rows, length) each."""
    mask = [np.ones(len(row)) for row in ids]
    return {
        "input_ids": pad(ids, length, pad_id(tokenizer), left=left),
        "attention_mask": pad(mask, length, 0, left=left),
    }


def label_ids(labels: Iterable[int | None]) -> np.ndarray:
    """Return labels as an array, (rows,) int64; `IGNORE_INDEX` where a row has none."""
    ids = np.array([-1 if label is None else label for label in labels], np.int64)
    return np.where(ids < 0, IGNORE_INDEX, ids)


def pad_labels(rows: Sequence[Any], batch: Batch, tokenizer: "PreTrainedTokenizerBase") -> Batch:
    """Return a batch of texts with labels per token, padded as its `input_ids` are."""
    length, left = batch["input_ids"].shape[1], pads_left(tokenizer)
    return batch | {"labels": pad(rows, length, IGNORE_INDEX, left=left)}


def pad_id(tokenizer: "PreTrainedTokenizerBase") -> int:
    """Return the id of the pad token, 0 where the tokenizer has none."""
    pad_token_id: Any = tokenizer.pad_token_id
    return pad_token_id or 0


def significant(value: float) -> float:
    """Round to 7 significant digits, as many as float32 carries."""
    return float(f"{value:.7g}")


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log-probabilities over the last axis, float64."""
    precise = logits.astype(np.float64)
    shifted = precise - precise.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def negative_log_likelihood(logits: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return -log p of each id, (rows,), from logits (rows, classes)."""
    return -log_softmax(logits)[np.arange(len(ids)), ids]
