"""Rows that are in more than one split: count them, and drop or refuse them by `data.overlap`."""

import itertools
from collections.abc import Mapping

import numpy as np

from temper.core.errors import InputError
from temper.ingest.row_selection import Selection, SplitRows
from temper.ingest.split_stats import SplitStats
from temper.params.data import DataParams


def resolve_overlap(
    stats: Mapping[str, SplitStats], selection: Selection, rule: str
) -> tuple[Selection, dict[str, int]]:
    """Apply `data.overlap` to rows that are in more than one split.

    Returns:
        The selection, without train's shared rows if the rule is `drop_from_train`, and for each
        pair of splits, `a in b`, the rows of the first that the second also has, before any were
        dropped.

    Raises:
        InputError: the rule is `error` and splits share rows.
    """
    keys = {name: stats[source].records["key"][rows] for name, (source, rows) in selection.items()}
    overlaps = {
        f"{first} in {second}": int(np.isin(keys[first], keys[second]).sum())
        for first, second in itertools.combinations(keys, 2)
    }
    if rule == "error" and any(overlaps.values()):
        shared = ", ".join(f"{n} rows of {pair}" for pair, n in overlaps.items() if n)
        raise InputError(
            f"{shared}; data.overlap is error: remove them, or set it to drop_from_train or report"
        )
    if rule == "drop_from_train" and len(keys) > 1:
        source, rows = selection["train"]
        others = np.concatenate([keys[name] for name in keys if name != "train"])
        kept = rows[~np.isin(keys["train"], others)]
        selection = selection | {"train": SplitRows(source, kept)}
    return selection, overlaps


def describe(data: DataParams, counts: Mapping[str, int]) -> list[str]:
    """Say which splits still share rows, and how those of train are dropped."""
    return [
        f"{line}; data.overlap: drop_from_train drops them" if " of train " in line else line
        for line in data.shared_rows(counts)
    ]
