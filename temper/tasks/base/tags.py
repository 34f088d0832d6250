"""Tagging schemes: which tag may follow which, and the likeliest tags, by a CRF or without one."""

from collections.abc import Sequence

import numpy as np

from temper.tasks.base.arrays import log_softmax

OUTSIDE = "O"
PREFIXES = {"IOB1": "BI", "IOB2": "BI", "BIOES": "BIES"}  # scheme → of tags inside an entity
PREDECESSORS = {  # scheme → prefixes allowed before a tag that continues an entity
    "IOB1": {"B": "BI"},
    "IOB2": {"I": "BI"},
    "BIOES": {"I": "BI", "E": "BI"},
}
UNFINISHED = {"BIOES": "BI"}  # prefixes after which the entity has to continue


def is_allowed(tag: str | None, before: str | None, scheme: str) -> bool:
    """Say whether a scheme allows a tag after another; None is the edge of the sentence."""
    prefix, _, entity_type = (tag or OUTSIDE).partition("-")
    prefix_before, _, type_before = (before or OUTSIDE).partition("-")
    allowed_before = PREDECESSORS[scheme].get(prefix)
    if allowed_before is not None:
        return prefix_before in allowed_before and type_before == entity_type
    return prefix_before == OUTSIDE or prefix_before not in UNFINISHED.get(scheme, ())


def continuation(tag: str) -> str:
    """Return the tag of a word that continues the entity of the word before, outside after none."""
    prefix, _, entity_type = tag.partition("-")
    return f"I-{entity_type}" if prefix in ("B", "I") else OUTSIDE


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the type, the first and the last word of each entity, as seqeval counts them.

    A served model reads entities without seqeval, which needs scikit-learn.
    """
    found, before = [], (OUTSIDE, "")
    for i, tag in enumerate(tags):
        prefix, entity_type = tag[0], tag[1:].split("-", 1)[-1] or "_"
        if prefix != OUTSIDE:
            follows = before[0] not in (OUTSIDE, *"ES") and before[1] == entity_type
            if prefix in "BS" or not follows:
                found.append((entity_type, i, i))
            else:
                found[-1] = (entity_type, found[-1][1], i)
        before = (prefix, entity_type)
    return found


def viterbi_path(
    logits: np.ndarray,
    label_names: Sequence[str],
    scheme: str,
    transitions: np.ndarray | None = None,
) -> list[int]:
    """Return the ids of the likeliest tags (words,) that follow the scheme.

    Args:
        logits: (words, labels).
        scheme: IOB1, IOB2 or BIOES.
        transitions: of a CRF, (labels + 2, labels): from each label, from the start, to the end.
    """
    if not len(logits):
        return []
    names, num_labels = label_names, len(label_names)
    allowed = np.array([[is_allowed(b, a, scheme) for b in names] for a in (None, *names)])
    may_end = np.array([is_allowed(None, a, scheme) for a in names])
    table = np.zeros((num_labels + 2, num_labels)) if transitions is None else transitions
    steps = np.where(allowed[1:], table[:-2], -np.inf)  # (from, to)
    emissions = log_softmax(logits)
    path = emissions[0] + np.where(allowed[0], table[-2], -np.inf)
    back_pointers = []
    for emission in emissions[1:]:
        joined = path[:, None] + steps
        back_pointers.append(joined.argmax(0))
        path = joined.max(0) + emission
    tags = [int(np.where(may_end, path + table[-1], -np.inf).argmax())]
    for pointers in reversed(back_pointers):
        tags.append(int(pointers[tags[-1]]))
    return tags[::-1]


def crf_loss(logits: np.ndarray, tags: np.ndarray, transitions: np.ndarray) -> float:
    """Return the negative log-likelihood of tag ids (words,) in a CRF; see `viterbi_path`."""
    between, start, end = transitions[:-2], transitions[-2], transitions[-1]
    path = start[tags[0]] + logits[np.arange(len(tags)), tags].sum() + end[tags[-1]]
    path += between[tags[:-1], tags[1:]].sum()
    total = start + logits[0]
    for row in logits[1:]:
        total = np.logaddexp.reduce(total[:, None] + between, axis=0) + row
    return float(np.logaddexp.reduce(total + end) - path)
