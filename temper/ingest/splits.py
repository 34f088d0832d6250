"""Cut splits and folds from train, rank rows, and count rows that stand twice.

Both work on one key per row, so no text is held in memory.
"""

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from temper.params.data import SplitParams

KEY_BYTES = 16


def row_key(texts: Sequence[str]) -> bytes:
    """Return 16 bytes that stand for a row's texts."""
    joined = "\x1f".join(texts)
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


def assign_splits(
    strata: np.ndarray,
    params: SplitParams,
    missing: Sequence[str],
    groups: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Return row numbers by split, each in its old order, for train and the missing splits.

    Args:
        strata: a label id per row; rows of one label are divided alike. All 0: not stratified.
        params: shares and the seed.
        missing: which of validation and test to cut.
        groups: a number per row that the rows of a group share; then a group is in one split.

    A label's rows are shuffled by the seed and shared out by the largest remainder, carried from
    label to label, so that a split has its share in all and each label its share as near as
    whole rows allow. A label with one row stays in train.
    """
    shares = {split: getattr(params, split) for split in missing if getattr(params, split) > 0}
    random = np.random.default_rng(params.seed)
    if groups is not None:
        return _assign_grouped(strata, groups, shares, random)
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
    rest = np.ones(len(strata), dtype=bool)
    for rows in found.values():
        rest[rows] = False
    return {
        "train": np.flatnonzero(rest),
        **{split: rows for split, rows in found.items() if len(rows)},
    }


def assign_folds(
    strata: np.ndarray, k: int, seed: int, groups: np.ndarray | None = None
) -> np.ndarray:
    """Return for each row the fold it is in, 0 to k - 1; the folds' sizes differ by one at most.

    Args:
        strata: a label id per row; a label's rows are dealt out evenly.
        k: how many folds.
        seed: of the order in which they are dealt.
        groups: a number per row that the rows of a group share; then a group is in one fold, and
            sizes and labels are as even as groups allow.
    """
    random = np.random.default_rng([seed, 1])
    if groups is not None:
        return assign_groups(strata, groups, [1 / k] * k, random)
    rows = [random.permutation(np.flatnonzero(strata == one)) for one in np.unique(strata)]
    found = np.empty(len(strata), dtype=int)
    found[np.concatenate(rows)] = np.arange(len(strata)) % k
    return found


def _assign_grouped(
    strata: np.ndarray, groups: np.ndarray, shares: dict[str, float], random: np.random.Generator
) -> dict[str, np.ndarray]:
    parts = {"train": max(1 - sum(shares.values()), 1e-9), **shares}
    found = assign_groups(strata, groups, list(parts.values()), random)
    rows = {name: np.flatnonzero(found == part) for part, name in enumerate(parts)}
    return {name: chosen for name, chosen in rows.items() if len(chosen) or name == "train"}


def assign_groups(
    strata: np.ndarray, groups: np.ndarray, shares: Sequence[float], random: np.random.Generator
) -> np.ndarray:
    """Return for each row the part its group is in.

    The largest group comes first, equal ones by chance. Each goes to a part that it fills beyond
    its share by no more than half of the group, and of these to the one that lacks most of the
    labels of the group's rows, compared with its share; where it fits nowhere, to the part with
    the most room.

    Args:
        strata: a label id per row.
        groups: a number per row, 0 to the number of groups - 1.
        shares: of each part, above 0; their sum is 1.
        random: orders groups of one size.
    """
    strata = np.unique(strata, return_inverse=True)[1].reshape(-1)
    wanted = np.outer(shares, np.bincount(strata))  # (parts, labels)
    have, room = np.zeros_like(wanted), wanted.sum(1)
    sizes = np.bincount(groups)
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(sizes)[:-1])
    order = random.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    part_of = np.empty(len(sizes), dtype=int)
    for group in order:
        size = sizes[group]
        ids, counts = np.unique(strata[members[group]], return_counts=True)
        parts = ((1 - have[:, ids] / wanted[:, ids]) * counts).tolist()
        lack = [math.fsum(part) for part in parts]  # exact, whatever the machine's instructions
        fits = room >= size / 2
        ranks = [(bool(fits[p]), lack[p] if fits[p] else 0, room[p]) for p in range(len(shares))]
        part = max(range(len(shares)), key=ranks.__getitem__)
        have[part, ids] += counts
        room[part] -= size
        part_of[group] = part
    return part_of[groups]


def rank_rows(strata: np.ndarray, seed: int) -> np.ndarray:
    """Return the row numbers in an order of which every prefix is a fair sample.

    First comes a row of each label, the most frequent label first; then labels come as often as
    they do in all rows. The rows of one label are shuffled by the seed.

    Args:
        strata: a label id per row.
        seed: of the shuffle.
    """
    random = np.random.default_rng([seed, 2])
    places = np.empty(len(strata))
    for stratum in np.unique(strata):
        rows = random.permutation(np.flatnonzero(strata == stratum))
        places[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
        places[rows[0]] = -len(rows)
    return np.lexsort((strata, places))


def as_keys(buffer: bytearray) -> np.ndarray:
    """Return a buffer of `row_key`s as an array, (rows,), without copying it."""
    return np.frombuffer(buffer, dtype=f"S{KEY_BYTES}")


def count_duplicates(keys: np.ndarray) -> int:
    """Return how many rows repeat an earlier one."""
    ordered = np.sort(keys)
    return int((ordered[1:] == ordered[:-1]).sum())


def is_in(keys: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return for each key whether it stands among others, (keys,)."""
    if not len(others):
        return np.zeros(len(keys), dtype=bool)
    others = np.sort(others)
    places = np.searchsorted(others, keys)
    return others[np.minimum(places, len(others) - 1)] == keys


def count_overlaps(keys: dict[str, np.ndarray]) -> dict[str, int]:
    """Return for each pair of splits how many rows of the first also stand in the second."""
    names, found = list(keys), {}
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            found[f"{one} in {other}"] = int(is_in(keys[one], keys[other]).sum())
    return found
