"""Texts of rows → a corpus of distinct texts; vectors → ranks and nearest neighbours in it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CELLS = 4_000_000  # similarities in memory at a time
DECIMALS = 6  # of a similarity; the rest is rounding error, which differs between CPUs


@dataclass(frozen=True)
class Corpus:
    """The distinct texts of a split that its anchors are compared with, numbered from 0."""

    first_place: np.ndarray  # (texts, 2): the first row that has a text, and where in the row
    relevant: list[np.ndarray]  # per row, the sorted numbers of the positives of its anchor
    positive: np.ndarray  # (rows,): the number of the row's own positive


@dataclass(frozen=True)
class Neighbours:
    """What each row's anchor finds in the corpus."""

    ranks: list[list[int]]  # of its relevant texts, from 1, ascending
    nearest: np.ndarray  # (rows, neighbours): numbers of the most similar texts
    similarities: np.ndarray  # theirs


def build_corpus(rows: Iterable[Sequence[Sequence[int]]]) -> Corpus:
    """Number the positives and negatives of rows.

    Texts with the same tokens are one text. All positives of an anchor are relevant to it, in
    whichever rows they are.

    Args:
        rows: token ids of anchor, positive and, if there is one, negative.
    """
    numbers: dict[tuple[int, ...], int] = {}
    by_anchor: dict[tuple[int, ...], set[int]] = {}
    places, anchors, positives = [], [], []
    for row, texts in enumerate(rows):
        anchor, *candidates = (tuple(ids) for ids in texts)
        for place, text in enumerate(candidates, 1):
            if numbers.setdefault(text, len(places)) == len(places):
                places.append((row, place))
        anchors.append(anchor)
        positives.append(numbers[candidates[0]])
        by_anchor.setdefault(anchor, set()).add(positives[-1])
    relevant = [np.array(sorted(by_anchor[anchor])) for anchor in anchors]
    return Corpus(np.array(places), relevant, np.array(positives))


def similarity_blocks(queries: Any, documents: Any) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first query of each block, and the block's dot products (queries, documents).

    Args:
        queries: vectors (queries, size), dense or sparse.
        documents: vectors (documents, size), likewise.
    """
    size = max(1, CELLS // documents.shape[0])
    for start in range(0, queries.shape[0], size):
        block = queries[start : start + size] @ documents.T
        yield start, block if isinstance(block, np.ndarray) else block.toarray()


def search(queries: Any, documents: Any, corpus: Corpus, count: int = 0) -> Neighbours:
    """Rank a corpus by the similarity to each query.

    Of equally similar texts the relevant ones rank last, so that a model for which all texts are
    alike finds nothing.

    Args:
        queries: vectors of the rows' anchors, (rows, size), dense or sparse.
        documents: vectors of the corpus, (texts, size), likewise.
        corpus: says which texts are relevant.
        count: of nearest neighbours, at most the whole corpus; 0 for ranks alone.
    """
    ranks, nearest, similarities = [], [], []
    for start, block in similarity_blocks(queries, documents):
        block = block.round(DECIMALS)
        for row, relevant in zip(block, corpus.relevant[start : start + len(block)], strict=True):
            found = -np.sort(-row[relevant])
            others = np.delete(row, relevant)
            ahead = (~(others < found[:, None])).sum(1)  # NaN ranks last
            ranks.append((ahead + np.arange(1, len(found) + 1)).tolist())
        order = np.empty((len(block), 0), int)
        if count:  # sorting takes most of the time
            order = np.argsort(-block, axis=1, kind="stable")[:, :count]
        nearest.append(order)
        similarities.append(np.take_along_axis(block, order, 1))
    return Neighbours(ranks, np.concatenate(nearest), np.concatenate(similarities))


def ranking_loss(
    queries: np.ndarray, documents: np.ndarray, corpus: Corpus, temperature: float
) -> float:
    """Return the mean cross-entropy of the row's positive among all texts of the corpus.

    The other positives of its anchor do not count. It is the loss of training with the whole split
    as one batch.
    """
    losses = []
    for start, block in similarity_blocks(queries, documents):
        logits = block.astype(np.float64) / temperature
        for i, row in enumerate(logits, start):
            own = row[corpus.positive[i]]
            row[corpus.relevant[i]] = -np.inf
            row[corpus.positive[i]] = own
            largest = row.max()
            losses.append(largest + np.log(np.exp(row - largest).sum()) - own)
    return float(np.mean(losses))


def cosent_loss(similarities: np.ndarray, scores: np.ndarray, temperature: float) -> float:
    """Return the CoSENT loss of pairs, (rows,) each, as of `temper.training.embedding_losses`."""
    order = np.argsort(scores, kind="stable")
    logits, scores = similarities[order] / temperature, scores[order]
    lower = np.searchsorted(scores, scores, "left")  # how many have a lower score
    sums = np.concatenate([[-np.inf], np.logaddexp.accumulate(logits)])
    return float(np.logaddexp.reduce([0.0, *(sums[lower] - logits)]))
