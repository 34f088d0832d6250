"""Encoded rows → the batches of `temper predict`: rows of similar length, about equal tokens."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

BATCH_TOKENS = 1024  # on two cores more is no faster, and leaves less room for the model in caches
PATCH_SIZE = 16 * 16  # pixels, cells of a spectrogram, or samples that a model makes a token of


def token_batches(rows: Sequence[Mapping[str, Any]], batch_tokens: int) -> Iterator[Sequence[int]]:
    """Yield the positions of rows, the longest first.

    Rows of one length follow each other in their order, so that the same rows always meet in the
    same batches.

    Args:
        batch_tokens: most tokens of a batch, padding included; a longer row is a batch alone.
    """
    sizes = np.array([num_tokens(row) for row in rows])
    order = np.argsort(-sizes, kind="stable")
    start = 0
    while start < len(order):
        stop = start + max(1, batch_tokens // int(sizes[order[start]]))
        yield order[start:stop].tolist()
        start = stop


def num_tokens(row: Mapping[str, Any]) -> int:
    """Return a row's tokens: those of all its choices, or one per patch of an image or clip."""
    if "shape" in row:
        return -(-math.prod(row["shape"][-2:]) // PATCH_SIZE)
    ids = row["input_ids"]
    num_choices = len(ids) if ids and isinstance(ids[0], list) else 1
    return max(1, num_choices * row["length"])
