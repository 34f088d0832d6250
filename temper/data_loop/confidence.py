"""Probabilities by models of the other rows → how little these believe a row's label.

A model that was trained on a row cannot be asked: it has learned the row's label, right or wrong,
by heart. So the rows are divided into folds, and a judge (`linear_judge`, `trained_judge`) gives
the probabilities of each fold by a model of the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from temper.core.errors import InputError
from temper.data_loop.near_duplicates import Pairs
from temper.ingest import splits
from temper.ingest.text_files import Note

ROUNDING = 1e-6  # of a mean probability, as in cleanlab

Decode = Callable[[np.ndarray], list[int]]  # probabilities of a row's words → a tag id each
# ids (rows,); booleans (rows, labels) where a row has several; ids by row where its words have tags
LabelIds = np.ndarray | Sequence[Sequence[int]]


@dataclass(frozen=True)
class Doubts:
    """What the other rows say about each row's label, labels or tags.

    Attributes:
        scores: -1 to 1, (rows,): the probability of the row's label minus that of the likeliest
            other one; of several labels or tags the least of theirs. Below 0 another one is
            likelier.
        suggested: label ids of each row, as the other rows have it; of tags, a word's each.
        expected: how many labels of all rows are wrong, as `expected_errors` counts them.
        agreement: the share of labels that are the likeliest ones; of tags, of those of all words.
        words: what they say about the tag of each word; None where a row has labels.
    """

    scores: np.ndarray
    suggested: list[list[int]]
    expected: int
    agreement: float
    words: "WordDoubts | None" = None


@dataclass(frozen=True)
class WordDoubts:
    """The score of each word, and its likeliest tag's id; by row, each (words,)."""

    scores: list[np.ndarray]
    likeliest: list[np.ndarray]


def fold_groups(pairs: Pairs, num_rows: int, folds: int, note: Note) -> np.ndarray:
    """Return a number per row of train, (rows,): rows that share it are in one fold.

    They are near-duplicates, also by way of others; equal rows alone where so many hang together
    that a fold cannot hold them.

    Raises:
        InputError: fewer rows than folds differ.
    """
    groups = pairs.groups()[:num_rows]
    sizes = np.bincount(groups)
    if sizes.max() > num_rows / folds or np.count_nonzero(sizes) < folds:
        groups = pairs.item_of[:num_rows]
        note(
            f"{sizes.max():,} of {num_rows:,} rows are near-duplicates one of another, more than a "
            "fold holds: only equal rows are kept in one fold"
        )
    if (count := len(np.unique(groups))) < folds:
        raise InputError(f"--folds {folds}: only {count} rows of train differ; use fewer folds")
    return groups


def fold_of(labels: LabelIds, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return each row's fold, (rows,), as `data.fold` assigns them.

    Rows of a label, or of a set of labels, are spread evenly; rows with tags are not looked into.

    Args:
        groups: a number per row; rows that share it are in one fold, so that none of two copies
            vouches for the other.
    """
    strata = np.zeros(len(groups), dtype=int)
    if isinstance(labels, np.ndarray):
        strata = np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)
    distinct = np.unique(groups, return_inverse=True)[1]
    if len(np.unique(distinct)) == len(strata):
        return splits.assign_folds(strata, folds, seed)
    return splits.assign_folds(strata, folds, seed, distinct)


def rank(probabilities: np.ndarray, labels: np.ndarray) -> Doubts:
    """Score every row, which has one label or several; `tags` scores those that have tags."""
    ranked = single_label if labels.ndim == 1 else several_labels
    return ranked(probabilities, labels)


def single_label(probabilities: np.ndarray, labels: np.ndarray) -> Doubts:
    """Rank by the normalized margin of Northcutt et al. 2021 (arXiv:1911.00068)."""
    rows = np.arange(len(labels))
    given, others = probabilities[rows, labels], probabilities.copy()
    others[rows, labels] = -1.0
    likeliest = others.argmax(1)
    scores = given - others[rows, likeliest]
    return Doubts(
        scores=scores,
        suggested=[[int(i)] for i in likeliest],
        expected=expected_errors(probabilities, labels),
        agreement=float((scores >= 0).mean()),
    )


def several_labels(probabilities: np.ndarray, labels: np.ndarray) -> Doubts:
    """Rank by the label of a row that is least believed: to be there, or not to be.

    Args:
        probabilities, labels: (rows, labels).
    """
    margins = np.where(labels, 2 * probabilities - 1, 1 - 2 * probabilities)
    suggested = np.where(margins < 0, ~labels, labels)
    both = np.stack([1 - probabilities, probabilities], -1)  # (rows, labels, 2)
    by_label = range(labels.shape[1])
    return Doubts(
        scores=margins.min(1),
        agreement=float((margins.min(1) >= 0).mean()),
        suggested=[np.flatnonzero(row).tolist() for row in suggested],
        expected=sum(expected_errors(both[:, i], labels[:, i].astype(int)) for i in by_label),
    )


def tags(probabilities: np.ndarray, rows: Sequence[Sequence[int]], decode: Decode) -> Doubts:
    """Rank by the tag of a row that is least believed (Wang & Mueller 2022, arXiv:2210.03920).

    Args:
        probabilities: (words of all rows, labels); NaN of a word that no model has read: its tag
            is believed.
        rows: tag ids of each row.
        decode: makes the tags that are suggested.

    Raises:
        InputError: no word was read.
    """
    ids = np.array([tag for row in rows for tag in row], dtype=int)
    is_read = ~np.isnan(probabilities).any(1)
    if not is_read.any():
        raise InputError(
            "no word of train was judged: there is none, or tokenize.max_length cuts all off"
        )
    found = single_label(probabilities[is_read], ids[is_read])
    scores, filled = np.ones(len(ids)), np.eye(probabilities.shape[1])[ids]
    scores[is_read], filled[is_read] = found.scores, probabilities[is_read]
    ends = np.cumsum([len(row) for row in rows])[:-1]
    of_rows, by_row = np.split(scores, ends), np.split(filled, ends)
    lowest = np.array([words.min(initial=1.0) for words in of_rows])
    return Doubts(
        scores=lowest,
        suggested=[
            decode(words) if score < 0 else list(row)
            for words, score, row in zip(by_row, lowest, rows, strict=True)
        ],
        expected=found.expected,
        agreement=found.agreement,
        words=WordDoubts(of_rows, [words.argmax(1) for words in by_row]),
    )


def expected_errors(probabilities: np.ndarray, labels: np.ndarray) -> int:
    """Count the rows off the diagonal of the confident joint (Northcutt et al. 2021, eq. 1).

    A row counts for a label if its probability is at least the mean probability of the label in the
    rows that have it; of several such labels, for the likeliest.
    """
    num_labels = probabilities.shape[1]
    thresholds = np.full(num_labels, np.inf)
    for label in np.unique(labels):
        thresholds[label] = probabilities[labels == label, label].mean()
    confident = np.where(probabilities >= thresholds - ROUNDING, probabilities, -1.0)
    counted = confident.max(1) >= 0
    return int((confident.argmax(1) != labels)[counted].sum())
