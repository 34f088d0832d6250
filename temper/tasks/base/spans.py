"""Where words, tags and answers stand: windows, paths that follow a scheme, the best span."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from temper.tasks.base.arrays import log_softmax

OUTSIDE = "O"
INSIDE = {  # scheme → what may stand before a tag that does not begin an entity
    "IOB1": {"B": "BI"},
    "IOB2": {"I": "BI"},
    "BIOES": {"I": "BI", "E": "BI"},
}
OPEN = {"BIOES": "BI"}  # prefixes after which the entity must go on


def assign_words(windows: list[list[int | None]], example_ids: list[int]) -> list[list[int]]:
    """Return for each token the word it begins, or -1.

    A word that stands in several windows of its example is given to the one where it is farthest
    from the edge, so that every word is labelled, scored and predicted exactly once.
    """
    best: dict[tuple[int, int], tuple[int, int, int]] = {}
    for window, (ids, example) in enumerate(zip(windows, example_ids, strict=True)):
        for token, word in enumerate(ids):
            if word is None or (token and ids[token - 1] == word):
                continue
            room = min(token, len(ids) - 1 - token)
            if (example, word) not in best or room > best[example, word][0]:
                best[example, word] = (room, window, token)
    found = [[-1] * len(ids) for ids in windows]
    for (_, word), (_, window, token) in best.items():
        found[window][token] = word
    return found


def legal_path(
    scores: np.ndarray, names: Sequence[str], scheme: str, transitions: np.ndarray | None = None
) -> list[int]:
    """Return the likeliest tags (words,) that follow the scheme, by Viterbi's algorithm.

    Args:
        scores: logits (words, labels).
        names: of the labels.
        scheme: IOB1, IOB2 or BIOES.
        transitions: of a CRF, (labels + 2, labels): from each label, from the start, of ending.
    """
    if not len(scores):
        return []
    allowed = np.array([[follows(b, a, scheme) for b in names] for a in (None, *names)])
    ends = np.array([follows(None, a, scheme) for a in names])
    table = np.zeros((len(names) + 2, len(names))) if transitions is None else transitions
    steps = np.where(allowed[1:], table[:-2], -np.inf)  # (before, after)
    probabilities = log_softmax(scores)
    path = probabilities[0] + np.where(allowed[0], table[-2], -np.inf)
    back = []
    for row in probabilities[1:]:
        joined = path[:, None] + steps
        back.append(joined.argmax(0))
        path = joined.max(0) + row
    tags = [int(np.where(ends, path + table[-1], -np.inf).argmax())]
    for choice in reversed(back):
        tags.append(int(choice[tags[-1]]))
    return tags[::-1]


def path_loss(scores: np.ndarray, tags: np.ndarray, transitions: np.ndarray) -> float:
    """Return the negative log-likelihood of tags (words,) in a CRF; see `legal_path`."""
    between, start, end = transitions[:-2], transitions[-2], transitions[-1]
    path = start[tags[0]] + scores[np.arange(len(tags)), tags].sum() + end[tags[-1]]
    path += between[tags[:-1], tags[1:]].sum()
    total = start + scores[0]
    for row in scores[1:]:
        total = np.logaddexp.reduce(total[:, None] + between, axis=0) + row
    return float(np.logaddexp.reduce(total + end) - path)


def follows(tag: str | None, before: str | None, scheme: str) -> bool:
    """Tell whether a tag may stand after another; None is the sentence's edge."""
    prefix, _, kind = (tag or OUTSIDE).partition("-")
    old, _, old_kind = (before or OUTSIDE).partition("-")
    needed = INSIDE[scheme].get(prefix)
    if needed is not None:
        return old in needed and old_kind == kind
    return not (old in OPEN.get(scheme, ()) and old != OUTSIDE)


def target(answers: Any, starts: Sequence[int], ends: Sequence[int]) -> list[int] | None:
    """Return the tokens where the first answer starts and ends, or 0, 0 outside of this window."""
    if answers is None:
        return None
    if not answers["text"]:
        return [0, 0]
    first = answers["answer_start"][0]
    last = first + len(answers["text"][0])
    inside = [i for i, end in enumerate(ends) if end > first and 0 <= starts[i] < last]
    whole = inside and starts[inside[0]] <= first and ends[inside[-1]] >= last
    return [inside[0], inside[-1]] if whole else [0, 0]


def best_span(
    logits: np.ndarray, starts: Sequence[int], ends: Sequence[int], n_best: int, longest: int
) -> tuple[float, int, int]:
    """Return the score and the characters of a window's best span, -inf where there is none."""
    inside = np.flatnonzero(np.asarray(starts) >= 0)
    tops = [inside[np.argsort(-row[inside], kind="stable")[:n_best]] for row in logits]
    found = [
        (float(logits[0, a] + logits[1, b]), starts[a], ends[b])
        for a in tops[0]
        for b in tops[1]
        if a <= b < a + longest
    ]
    return max(found, default=(-np.inf, 0, 0))
