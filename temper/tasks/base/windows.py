"""Long texts → features a model has positions for; and which features belong to one example."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.core.errors import InputError
from temper.params.tokenize import TokenizeParams
from temper.tasks.base.arrays import Columns

if TYPE_CHECKING:
    from transformers import BatchEncoding, PreTrainedTokenizerBase


def check_max_length(
    tokenize: TokenizeParams, tokenizer: "PreTrainedTokenizerBase", num_texts: int
) -> None:
    """Refuse a `max_length` the model has no positions for, or that leaves no room for text.

    Raises:
        InputError: says how many tokens there is room for.
    """
    max_length, stride = tokenize.max_length, tokenize.stride or 0
    if max_length is None:
        return
    special = tokenizer.num_special_tokens_to_add(pair=num_texts == 2)
    if max_length > tokenizer.model_max_length:
        raise InputError(
            f"tokenize.max_length is {max_length}, but the model has positions for "
            f"{tokenizer.model_max_length} tokens; set it to that or less"
        )
    if max_length < special + num_texts:
        raise InputError(
            f"tokenize.max_length is {max_length}, but {special} special tokens and a token for "
            f"each text need {special + num_texts}"
        )
    room = (max_length // 2 if num_texts == 2 else max_length) - special
    if stride >= room:
        raise InputError(
            f"tokenize.stride is {stride}, but a window of {max_length} tokens has room for {room} "
            "of the text; set it lower"
        )


def require_fast(tokenizer: "PreTrainedTokenizerBase", needed_by: str) -> "PreTrainedTokenizerBase":
    """Return the tokenizer.

    Raises:
        InputError: it is a slow one, which cannot map its tokens back to the text.
    """
    if not tokenizer.is_fast:
        raise InputError(
            f"{needed_by} needs a fast tokenizer, and {type(tokenizer).__name__} is slow; convert "
            "it (a tokenizer.json beside the model)"
        )
    return tokenizer


def encode_windows(
    tokenizer: Any, texts: Sequence[list], tokenize: TokenizeParams, **options: Any
) -> "tuple[Columns, BatchEncoding]":
    """Encode texts in overlapping windows; of pairs the second text is divided.

    Returns:
        the columns of every window, and the encoding they are from.
    """
    encoded = tokenizer(
        *texts,
        truncation="only_second" if len(texts) == 2 else True,
        max_length=tokenize.max_length,
        padding=False,
        return_overflowing_tokens=True,
        stride=tokenize.stride or 0,
        **options,
    )
    columns: Any = {k: encoded[k] for k in ("input_ids", "token_type_ids") if k in encoded}
    lengths = [len(ids) for ids in columns["input_ids"]]
    columns |= {"length": lengths, "full_length": lengths}  # windows truncate nothing
    return columns | {"example_id": encoded["overflow_to_sample_mapping"]}, encoded


def split_blocks(columns: Columns, size: int, *, pack: bool) -> Columns:
    """Split token columns into features of at most `size` tokens; no token is lost.

    Args:
        columns: `input_ids` and others of the same lengths; `word_ids` count within a text.
        pack: first join all texts, so that only the last feature is shorter. The features then
            belong to no example and have no `example_id`.
    """
    columns = dict(columns)
    if pack:
        if "word_ids" in columns:
            columns["word_ids"] = _numbered_through(columns["word_ids"])
        columns = {name: [[i for row in rows for i in row]] for name, rows in columns.items()}
    starts = [
        (example, start)
        for example, ids in enumerate(columns["input_ids"])
        for start in range(0, max(len(ids), 1), size)
    ]
    features: Columns = {
        name: [rows[example][start : start + size] for example, start in starts]
        for name, rows in columns.items()
    }
    if not pack:
        features["example_id"] = [example for example, _ in starts]
    features["length"] = [len(ids) for ids in features["input_ids"]]
    return features | {"full_length": features["length"]}


def _numbered_through(word_ids: Sequence[Sequence[int]]) -> list[list[int]]:
    """Count the words of several texts through, so that no two have the same number."""
    first, numbered = 0, []
    for words in word_ids:
        numbered.append([word if word < 0 else word + first for word in words])
        first += max(words, default=-1) + 1
    return numbered


def example_ids(features: Any) -> np.ndarray:
    """Return the example of each feature of a split; they have none where each is one."""
    if "example_id" in features.features:
        return np.asarray(features["example_id"][:])
    return np.arange(len(features))


def example_slices(example_ids: Any, num_examples: int) -> Iterator[slice]:
    """Yield the slice of each example's features; they are adjacent, and each example has one."""
    ids = np.asarray(example_ids[:])
    ids = ids - ids[0]
    starts = np.searchsorted(ids, np.arange(num_examples + 1))
    yield from (slice(start, stop) for start, stop in pairwise(starts))


def assign_words(
    windows: Sequence[Sequence[int | None]], example_ids: Sequence[int]
) -> list[list[int]]:
    """Return for each token the word it begins, or -1.

    A word that is in several windows of its example is assigned to the one where it is farthest
    from the edge, so that every word is labelled, scored and predicted exactly once.

    Args:
        windows: the word of each token, as `BatchEncoding.word_ids` gives it.
        example_ids: the example of each window.
    """
    best: dict[tuple[int, int], tuple[int, int, int]] = {}
    for window, (ids, example) in enumerate(zip(windows, example_ids, strict=True)):
        for token, word in enumerate(ids):
            if word is None or (token and ids[token - 1] == word):
                continue
            room = min(token, len(ids) - 1 - token)
            if (example, word) not in best or room > best[example, word][0]:
                best[example, word] = (room, window, token)
    assigned = [[-1] * len(ids) for ids in windows]
    for (_, word), (_, window, token) in best.items():
        assigned[window][token] = word
    return assigned


def append_words_without_tokens(
    word_ids: Sequence[list[int]], example_ids: Sequence[int], words: Sequence[Sequence[str]]
) -> None:
    """Append the words that no token begins to the word ids of their example's last feature."""
    seen: dict[int, set[int]] = defaultdict(set)
    for example, ids in zip(example_ids, word_ids, strict=True):
        seen[example].update(ids)
    last_feature = {example: feature for feature, example in enumerate(example_ids)}
    for example, feature in last_feature.items():
        missing = set(range(len(words[example]))) - seen[example]
        word_ids[feature].extend(sorted(missing))
