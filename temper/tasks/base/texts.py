"""Texts or pairs of texts → token ids, their lengths, and those they had without truncation."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Columns = Sequence[Sequence[str]]  # one of texts, or two of pairs


def encode_texts(
    tokenizer: "PreTrainedTokenizerBase", texts: Columns, max_length: int | None
) -> dict[str, list]:
    """Return `input_ids`, `token_type_ids` where the model takes them, `length`, `full_length`.

    Without `max_length` a row has at most as many tokens as the model has positions for.
    """
    encoded = _encode(tokenizer, texts, truncation=True, max_length=max_length)
    columns = {k: encoded[k] for k in ("input_ids", "token_type_ids") if k in encoded}
    lengths = columns["length"] = [len(ids) for ids in columns["input_ids"]]
    full_lengths = columns["full_length"] = list(lengths)
    limit = max_length or tokenizer.model_max_length
    cut = [i for i, length in enumerate(lengths) if length >= limit]
    if cut:
        texts = [[column[i] for i in cut] for column in texts]
        for i, ids in zip(
            cut, _encode(tokenizer, texts, truncation=False)["input_ids"], strict=True
        ):
            full_lengths[i] = len(ids)
    return columns


def _encode(tokenizer: Any, texts: Columns, **options: Any) -> Mapping[str, list]:
    """Return what a call of the tokenizer does.

    A fast tokenizer's call takes as long for offsets, masks and dictionaries as for the tokens. It
    is made for one row, which sets up the Rust tokenizer behind it; that one encodes all rows,
    unless the tokenizer's class may change texts before, or ids afterwards.
    """

    def call(num_rows: int | None) -> Any:
        columns = (column[:num_rows] for column in texts)
        return tokenizer(*columns, padding=False, verbose=False, **options)

    if not tokenizer.is_fast or _has_own_call(tokenizer):
        return call(None)
    called = call(1)
    pairs = list(zip(*texts, strict=True)) if len(texts) == 2 else texts[0]
    rows = tokenizer.backend_tokenizer.encode_batch_fast(pairs)
    if called["input_ids"] != [rows[0].ids]:
        return call(None)
    columns = {"input_ids": [row.ids for row in rows]}
    if "token_type_ids" in called:
        columns["token_type_ids"] = [row.type_ids for row in rows]
    return columns


def _has_own_call(tokenizer: Any) -> bool:
    """Check whether a class replaces what transformers' fast tokenizers share."""
    from transformers import PreTrainedTokenizerFast

    cls, names = type(tokenizer), ("__call__", "_encode_plus")
    return any(getattr(cls, name) is not getattr(PreTrainedTokenizerFast, name) for name in names)
