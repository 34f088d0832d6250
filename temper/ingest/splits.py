"""Row keys, labels and groups → splits, folds and subsets.

Works on one fixed-size key and a few integers per row, so no text is held in memory.
"""

import hashlib
import math
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

from temper.params.data import SplitParams

KEY_BYTES = 16


def row_key(texts: Sequence[str]) -> bytes:
    """Hash a row's texts to 16 bytes."""
    joined = "\x1f".join(texts)
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


def text_key(texts: Sequence[str]) -> bytes:
    """Hash a row's texts but for case, white space and how accented letters are composed.

    Unicode's NFC, since NFKC makes x² and x2 one.
    """
    folded = (unicodedata.normalize("NFC", text).casefold() for text in texts)
    return row_key([" ".join(text.split()) for text in folded])


def assign_splits(
    strata: np.ndarray,
    params: SplitParams,
    missing: Iterable[str],
    groups: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Divide rows into train and the missing splits, stratified by label.

    Args:
        strata: a label id per row; all 0: not stratified.
        missing: those of validation and test to create.
        groups: a group number per row; rows of a group share a split.

    Returns:
        Row numbers by split, ascending; without the splits that came out empty.
    """
    shares = {split: getattr(params, split) for split in missing if getattr(params, split) > 0}
    rng = np.random.default_rng(params.seed)
    if groups is None:
        parts = _assign_rows(strata, list(shares.values()), rng)
    else:
        train_share = max(1 - sum(shares.values()), 1e-9)
        parts = assign_groups(strata, groups, [train_share, *shares.values()], rng)
    assigned = {name: np.flatnonzero(parts == i) for i, name in enumerate(["train", *shares])}
    return {name: rows for name, rows in assigned.items() if len(rows) or name == "train"}


def _assign_rows(
    strata: np.ndarray, shares: Sequence[float], rng: np.random.Generator
) -> np.ndarray:
    """Assign each row to a part, 1 to the number of shares, or to 0, the rest; (rows,).

    Each label's rows are shuffled and shared out by largest remainder, carried over from label to
    label. So each part gets its share overall, and of each label its share to within whole rows. A
    label with a single row stays in the rest.
    """
    parts = np.zeros(len(strata), dtype=int)
    owed = [0.0] * len(shares)
    for stratum in np.unique(strata):
        rows = rng.permutation(np.flatnonzero(strata == stratum))
        start = 0
        for i, share in enumerate(shares) if len(rows) > 1 else ():
            owed[i] += share * len(rows)
            count = min(int(owed[i] + 0.5), len(rows) - 1 - start)
            owed[i] -= count
            parts[rows[start : start + count]] = i + 1
            start += count
    return parts


def assign_folds(
    strata: np.ndarray, k: int, seed: int, groups: np.ndarray | None = None
) -> np.ndarray:
    """Assign each row to a fold, 0 to k - 1, (rows,); fold sizes differ by at most one.

    Args:
        strata: a label id per row; each label's rows are spread evenly.
        groups: a group number per row; rows of a group share a fold, and sizes and labels are as
            even as the groups allow.
    """
    rng = np.random.default_rng([seed, 1])
    if groups is not None:
        return assign_groups(strata, groups, [1 / k] * k, rng)
    rows = [rng.permutation(np.flatnonzero(strata == stratum)) for stratum in np.unique(strata)]
    folds = np.empty(len(strata), dtype=int)
    folds[np.concatenate(rows)] = np.arange(len(strata)) % k
    return folds


def assign_groups(
    strata: np.ndarray, groups: np.ndarray, shares: Sequence[float], rng: np.random.Generator
) -> np.ndarray:
    """Assign whole groups to parts; return each row's part, (rows,).

    Greedy, largest group first, ties in random order. A group fits a part if it exceeds the part's
    share by no more than half the group. Of the parts that fit, it goes to the one that lacks most
    of the group's labels relative to its share; if none fits, to the one with the most room.

    Args:
        strata: a label id per row.
        groups: a group number per row, 0 to the number of groups - 1.
        shares: of each part, above 0, summing to 1.
    """
    strata = np.unique(strata, return_inverse=True)[1].reshape(-1)
    target = np.outer(shares, np.bincount(strata))  # (parts, labels)
    assigned, room = np.zeros_like(target), target.sum(1)
    sizes = np.bincount(groups)
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(sizes)[:-1])
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    part_of = np.empty(len(sizes), dtype=int)
    for group in order:
        size = sizes[group]
        ids, counts = np.unique(strata[members[group]], return_counts=True)
        lacking = ((1 - assigned[:, ids] / target[:, ids]) * counts).tolist()
        lack = [math.fsum(labels) for labels in lacking]  # exact on every instruction set
        fits = room >= size / 2
        ranks = [(bool(fits[p]), lack[p] if fits[p] else 0, room[p]) for p in range(len(shares))]
        part = max(range(len(shares)), key=ranks.__getitem__)
        assigned[part, ids] += counts
        room[part] -= size
        part_of[group] = part
    return part_of[groups]


def rank_rows(strata: np.ndarray, seed: int) -> np.ndarray:
    """Order row numbers so that every prefix is a stratified sample.

    One row of each label comes first, the most frequent label leading; then labels appear in
    proportion to their frequency. The rows of a label are shuffled.

    Args:
        strata: a label id per row.
    """
    rng = np.random.default_rng([seed, 2])
    positions = np.empty(len(strata))
    for stratum in np.unique(strata):
        rows = rng.permutation(np.flatnonzero(strata == stratum))
        positions[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
        positions[rows[0]] = -len(rows)
    return np.lexsort((strata, positions))
