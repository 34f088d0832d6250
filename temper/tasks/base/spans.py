"""Answers as characters of a context ↔ the tokens of a window where they start and end."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def answer_tokens(
    answers: Mapping[str, Any] | None, starts: Sequence[int], ends: Sequence[int]
) -> list[int] | None:
    """Return the tokens where the first answer starts and ends.

    Args:
        answers: SQuAD's `{"text": [...], "answer_start": [...]}`; None: not labelled.
        starts: each token's first character in the context, -1 outside of it.
        ends: the character after its last one.

    Returns:
        0, 0 where there is no answer or this window does not hold it whole; None where `answers`
        is None.
    """
    if answers is None:
        return None
    if not answers["text"]:
        return [0, 0]
    first = answers["answer_start"][0]
    last = first + len(answers["text"][0])
    inside = [i for i, end in enumerate(ends) if end > first and 0 <= starts[i] < last]
    is_whole = inside and starts[inside[0]] <= first and ends[inside[-1]] >= last
    return [inside[0], inside[-1]] if is_whole else [0, 0]


def best_span(
    logits: np.ndarray, starts: Sequence[int], ends: Sequence[int], n_best: int, max_length: int
) -> tuple[float, int, int]:
    """Return a window's best span: its score, first character and the one after its last.

    Args:
        logits: of start and end, (2, tokens).
        starts: as in `answer_tokens`.
        ends: likewise.
        n_best: likeliest starts and ends to combine.
        max_length: most tokens of a span.

    Returns:
        -inf, 0, 0 where there is no span.
    """
    inside = np.flatnonzero(np.asarray(starts) >= 0)
    likeliest = [inside[np.argsort(-row[inside], kind="stable")[:n_best]] for row in logits]
    spans = [
        (float(logits[0, a] + logits[1, b]), starts[a], ends[b])
        for a in likeliest[0]
        for b in likeliest[1]
        if a <= b < a + max_length
    ]
    return max(spans, default=(-np.inf, 0, 0))
