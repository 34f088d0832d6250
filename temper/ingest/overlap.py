"""Rows that are in more than one split: count them, and drop or refuse them by `data.overlap`."""

from collections.abc import Mapping

import numpy as np

from temper.core.errors import InputError
from temper.ingest.row_selection import Selection, SplitRows
from temper.ingest.split_stats import SplitStats


def resolve_overlap(
    stats: Mapping[str, SplitStats], selection: Selection, rule: str
) -> tuple[Selection, dict[str, int]]:
    """Apply `data.overlap` to rows that are in more than one split.

    Returns:
        The selection, without train's shared rows if the rule is `drop_from_train`, and the number
        of shared rows by pair of splits, before any were dropped.

    Raises:
        InputError: the rule is `error` and splits share rows.
    """
    keys = {name: stats[source].keys[rows] for name, (source, rows) in selection.items()}
    overlaps = count_overlaps(keys)
    if rule == "error" and any(overlaps.values()):
        shared = ", ".join(f"{n} rows of {pair}" for pair, n in overlaps.items() if n)
        raise InputError(
            f"{shared}; data.overlap is error: remove them, or set it to drop_from_train or report"
        )
    if rule != "drop_from_train" or len(keys) < 2:
        return selection, overlaps
    source, rows = selection["train"]
    elsewhere = np.concatenate([keys[name] for name in keys if name != "train"])
    is_shared = is_in(keys["train"], elsewhere)
    return selection | {"train": SplitRows(source, rows[~is_shared])}, overlaps


def is_in(keys: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Check for each key whether it is in `reference`, (keys,)."""
    if not len(reference):
        return np.zeros(len(keys), dtype=bool)
    reference = np.sort(reference)
    positions = np.searchsorted(reference, keys)
    return reference[np.minimum(positions, len(reference) - 1)] == keys


def count_overlaps(keys: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Count for each pair of splits, `a in b`, the rows of the first that the second also has."""
    splits, overlaps = list(keys), {}
    for i, first in enumerate(splits):
        for second in splits[i + 1 :]:
            overlaps[f"{first} in {second}"] = int(is_in(keys[first], keys[second]).sum())
    return overlaps
