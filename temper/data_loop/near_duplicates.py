"""Rows → the pairs of them that say nearly the same.

Texts: the Jaccard similarity of their character 5-grams, for every pair above the threshold, none
missed. Images: the correlation of their thumbnails.
"""

import unicodedata
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

SHINGLE = 5  # characters
TEXT_SIMILARITY, IMAGE_SIMILARITY = 0.8, 0.98
BLOCK = 2000  # rows that are compared with all others at once


class Pairs:
    """Pairs of rows with their similarity; a row's equals count as similar by 1.

    Args:
        item_of: the number of each row's content, (rows,): equal rows share it.
        pairs: of contents, (pairs, 2), each pair once.
        similarity: of each pair.
    """

    def __init__(self, item_of: np.ndarray, pairs: np.ndarray, similarity: np.ndarray):
        self.item_of = item_of
        self.members: list[list[int]] = [[] for _ in range(item_of.max(initial=-1) + 1)]
        for row, item in enumerate(item_of.tolist()):
            self.members[item].append(row)
        self.neighbours = [[(1.0, item)] for item in range(len(self.members))]
        for (first, second), value in zip(pairs.tolist(), similarity.tolist(), strict=True):
            self.neighbours[first].append((value, second))
            self.neighbours[second].append((value, first))

    def of_row(self, row: int) -> list[tuple[float, int]]:
        """Return (similarity, row) of the other rows that are like it, the likest first."""
        found = [
            (value, other)
            for value, item in self.neighbours[self.item_of[row]]
            for other in self.members[item]
            if other != row
        ]
        return sorted(found, key=lambda pair: (-pair[0], pair[1]))

    def groups(self) -> np.ndarray:
        """Return a number per row, (rows,): rows that are alike, if by way of others, share it."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        size = len(self.members)
        edges = [(i, j) for i, found in enumerate(self.neighbours) for _, j in found]
        first, second = np.array(edges, dtype=int).reshape(-1, 2).T
        graph = coo_array((np.ones(len(first)), (first, second)), (size, size))
        return connected_components(graph, directed=False)[1][self.item_of]


def of_texts(columns: Sequence[Sequence[str]], threshold: float) -> Pairs:
    """Find all pairs of rows whose 5-grams have at least this Jaccard similarity.

    Case, punctuation and spacing do not count. Of a pair of texts each has 5-grams of its own.
    """
    numbers: dict[tuple[str, ...], int] = {}
    texts = [tuple(map(normalized, row)) for row in zip(*columns, strict=True)]
    item_of = np.array([numbers.setdefault(row, len(numbers)) for row in texts], dtype=int)
    return Pairs(item_of, *similar_sets(map(shingles, numbers), threshold))


def normalized(text: str) -> str:
    """Return the words, numbers and symbols of a text in lower case, one space between them.

    A text of punctuation alone is as it is.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join((folded.translate(_COUNTED).strip() or folded).split())


class _Counted(dict[int, str]):
    """Characters that count → themselves: letters, their marks, digits and symbols, emoji too."""

    def __missing__(self, code: int) -> str:
        category = unicodedata.category(chr(code))
        counted = chr(code) if category[0] in "LMNS" else "" if category == "Cf" else " "
        self[code] = counted
        return counted


_COUNTED = _Counted()


def shingles(texts: Sequence[str]) -> set[str]:
    """Return the 5-grams of each text, marked by its number; a shorter text is one."""
    return {
        f"{number}{text[start : start + SHINGLE]}"
        for number, text in enumerate(texts)
        for start in range(max(1, len(text) - SHINGLE + 1))
    }


def similar_sets(sets: Iterable[set[str]], threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs (pairs, 2) of sets with at least this Jaccard similarity, and theirs.

    Two such sets share one of the rarest members of each, so that only sets that do are compared:
    the prefix filter of Chaudhuri et al. 2006.
    """
    from scipy.sparse import csr_array

    names: dict[str, int] = {}
    numbers, lengths = array("q"), array("q")  # one set of texts at a time is in memory
    for members in sets:
        numbers.extend(names.setdefault(member, len(names)) for member in sorted(members))
        lengths.append(len(members))
    indices, sizes = np.array(numbers, dtype=int), np.array(lengths, dtype=int)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    shape = (len(sizes), max(1, len(names)))
    whole = csr_array((np.ones(len(indices), dtype=np.int32), indices, ends), shape)
    counts = np.bincount(indices, minlength=len(names))
    rank = np.empty(len(names), dtype=int)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(names))
    kept = sizes - np.ceil(threshold * sizes - 1e-9).astype(int) + 1
    rows = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((rank[indices], rows))
    is_rare = np.arange(len(indices)) - ends[rows] < kept[rows]
    rare_ends = np.concatenate([[0], np.cumsum(kept * (sizes > 0))])
    rare_indices = indices[order][is_rare]
    rare = csr_array((np.ones(len(rare_indices), dtype=np.int32), rare_indices, rare_ends), shape)
    pairs, similarities = [np.zeros((0, 2), dtype=int)], [np.zeros(0)]
    for start in range(0, len(sizes), BLOCK):
        found: Any = (rare[start : start + BLOCK] @ rare.T).tocoo()
        first, second = found.coords[0] + start, found.coords[1]
        both = np.array([first, second]).T[first < second]
        for part in np.array_split(both, len(both) // 100_000 + 1):
            shared = whole[part[:, 0]].multiply(whole[part[:, 1]]).sum(1)
            similarity = shared / (sizes[part].sum(1) - shared)
            keep = similarity >= threshold - 1e-9
            pairs.append(part[keep])
            similarities.append(similarity[keep])
    return np.concatenate(pairs), np.concatenate(similarities)


def of_images(thumbnails: np.ndarray, threshold: float) -> Pairs:
    """Find all pairs of images whose thumbnails (rows, values) correlate at least so much."""
    distinct, item_of = np.unique(thumbnails, axis=0, return_inverse=True)
    centred = distinct - distinct.mean(1, keepdims=True)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    pairs, similarities = [np.zeros((0, 2), dtype=int)], [np.zeros(0)]
    for start in range(0, len(distinct), BLOCK):
        values = centred[start : start + BLOCK] @ centred.T
        first, second = np.nonzero(values >= threshold)
        upper = first + start < second
        pairs.append(np.array([first + start, second]).T[upper])
        similarities.append(values[first, second][upper])
    return Pairs(item_of.reshape(-1), np.concatenate(pairs), np.concatenate(similarities))
