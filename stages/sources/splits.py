"""Cut missing splits from train, and count rows that stand twice.

Both work on one key per row, so no text is held in memory.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from stages.groups import SplitParams


def row_key(texts: Sequence[str]) -> bytes:
    """Return 16 bytes that stand for a row's texts."""
    joined = "\x1f".join(texts)
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def assign(
    strata: np.ndarray, params: SplitParams, missing: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return row numbers by split, each in its old order, for train and the missing splits.

    Args:
        strata: a label id per row; rows of one label are divided alike. All 0: not stratified.
        params: shares and the seed.
        missing: which of validation and test to cut.

    A label's rows are shuffled by the seed and shared out by the largest remainder, carried from
    label to label, so that a split has its share in all and each label its share as near as
    whole rows allow. A label with one row stays in train.
    """
    shares = {split: getattr(params, split) for split in missing if getattr(params, split) > 0}
    random = np.random.default_rng(params.seed)
    none = np.array([], dtype=int)
    taken: dict[str, list[np.ndarray]] = {split: [none] for split in shares}
    owed = dict.fromkeys(shares, 0.0)
    for stratum in np.unique(strata):
        rows = random.permutation(np.flatnonzero(strata == stratum))
        if len(rows) == 1:
            continue
        start = 0
        for split, share in shares.items():
            owed[split] += share * len(rows)
            count = min(int(owed[split] + 0.5), len(rows) - 1 - start)
            owed[split] -= count
            taken[split].append(rows[start : start + count])
            start += count
    found = {split: np.sort(np.concatenate(rows)) for split, rows in taken.items()}
    used = np.concatenate([none, *found.values()])
    rest = np.setdiff1d(np.arange(len(strata)), used)
    return {"train": rest, **{split: rows for split, rows in found.items() if len(rows)}}


def duplicates(keys: Sequence[bytes]) -> int:
    """Return how many rows repeat an earlier one."""
    return len(keys) - len(set(keys))


def overlap(keys: dict[str, list[bytes]]) -> dict[str, int]:
    """Return for each pair of splits how many rows of the first also stand in the second."""
    names, found = list(keys), {}
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            counts, wanted = Counter(keys[one]), set(keys[other])
            found[f"{one} in {other}"] = sum(n for key, n in counts.items() if key in wanted)
    return found
