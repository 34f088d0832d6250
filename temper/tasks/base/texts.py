"""Texts or pairs of texts → token ids, their lengths, and those they had without truncation."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from temper.params import text_template
from temper.tasks.base.arrays import as_rows
from temper.tasks.base.windows import require_fast

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


def shorten_rows(
    tokenizer: "PreTrainedTokenizerBase",
    columns: dict[str, list],
    params: Any,
    examples: Mapping[str, Any],
    max_length: int | None,
) -> None:
    """Replace the rows of `columns` that were truncated by those of `shortened` texts.

    Without `task.truncate_column` nothing changes. `full_length` stays that of the whole text.
    """
    lengths, limit = columns["full_length"], max_length or tokenizer.model_max_length
    long = [i for i, length in enumerate(lengths) if length > limit]
    if not long or getattr(params, "truncate_column", None) is None:
        return
    rows = {name: [examples[name][i] for i in long] for name in params.inputs}
    room = limit - tokenizer.num_special_tokens_to_add()
    encoded = encode_texts(
        tokenizer, [shortened(tokenizer, params, rows, [room] * len(long))], max_length
    )
    for name in encoded.keys() - {"full_length"}:
        for i, value in zip(long, encoded[name], strict=True):
            columns[name][i] = value


def shortened(
    tokenizer: "PreTrainedTokenizerBase",
    params: Any,
    examples: Mapping[str, list[str]],
    max_tokens: Sequence[int],
) -> list[str]:
    """Return the texts of a template with as much of `task.truncate_column` as there is room for.

    It is cut at its end, between tokens. A text that is too long without it stays so.

    Args:
        tokenizer: of the model.
        params: of the task.
        examples: the columns of the template.
        max_tokens: the most tokens of each text, without special ones.
    """
    column, fast = params.truncate_column, require_fast(tokenizer, "task.truncate_column")
    rows = as_rows(examples)
    framed = [text_template.around(params.template, row, column) for row in rows]
    values, pending = [row[column] for row in rows], [*range(len(rows))]
    while pending:
        texts = [values[i].join(framed[i]) for i in pending]
        encoded = fast(
            texts, add_special_tokens=False, return_offsets_mapping=True, truncation=False,
            verbose=False,
        )  # fmt: skip
        too_long = []
        for i, offsets in zip(pending, encoded["offset_mapping"], strict=True):
            surplus, first = len(offsets) - max_tokens[i], len(framed[i][0])
            if surplus > 0 and values[i]:
                starts = [a - first for a, _ in offsets if first <= a < first + len(values[i])]
                end = starts[-surplus] if surplus <= len(starts) else 0
                values[i] = values[i][: min(end, len(values[i]) - 1)]  # shorter in any case
                too_long.append(i)
        pending = too_long
    return [value.join(frame) for value, frame in zip(values, framed, strict=True)]


def _encode(tokenizer: Any, texts: Columns, **options: Any) -> Mapping[str, list]:
    """Return what a call of the tokenizer does.

    A fast tokenizer's call takes as long for offsets, masks and dictionaries as for the tokens. It
    is made for one row, which sets up the Rust tokenizer behind it; that one encodes all rows,
    unless the tokenizer's class may change texts before, or ids afterwards.
    """

    def call(num_rows: int | None) -> Any:
        columns = (column[:num_rows] for column in texts)
        return tokenizer(*columns, padding=False, verbose=False, **options)

    if not tokenizer.is_fast or has_own_call(tokenizer):
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


def has_own_call(tokenizer: Any) -> bool:
    """Check whether a class replaces what transformers' fast tokenizers share."""
    cls, names = type(tokenizer), ("__call__", "_encode_plus")
    if not hasattr(cls, "_encode_plus"):  # of a model that is read without transformers
        return False
    from transformers import PreTrainedTokenizerFast

    return any(getattr(cls, name) is not getattr(PreTrainedTokenizerFast, name) for name in names)
