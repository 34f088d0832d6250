"""Vectors and labels → how little the other rows believe a row's label.

Each row is scored by a linear model that was fitted to the other folds. The model that was trained
on a row cannot be asked: it has learned the row's label, right or wrong, by heart.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from temper.core.errors import InputError
from temper.data_loop.near_duplicates import Pairs
from temper.ingest import splits
from temper.ingest.text_files import Note

C = {"dense": 1.0, "sparse": 3.0}  # inverse of the regularization
MAX_ITER = 300
ROUNDING = 1e-6  # of a mean probability, as in cleanlab


@dataclass(frozen=True)
class Doubts:
    """What the other rows say about each row's label or labels.

    Attributes:
        scores: -1 to 1, (rows,): the probability of the row's label minus that of the likeliest
            other one; of several labels the least of theirs. Below 0 another one is likelier.
        suggested: label ids of each row, as the other rows have it.
        expected: how many labels of all rows are wrong, as `expected_errors` counts them.
    """

    scores: np.ndarray
    suggested: list[list[int]]
    expected: int


def doubts(matrix: Any, labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> Doubts:
    """Score every row.

    Args:
        matrix: (rows, size), dense or sparse.
        labels: ids (rows,), or booleans (rows, labels) where a row has several.
        groups: a number per row; rows that share it are in one fold, so that none of two copies
            vouches for the other.
    """
    if labels.ndim == 1:
        probabilities = out_of_fold(matrix, labels, fold_of(labels, groups, folds, seed))
        return single_label(probabilities, labels)
    columns = [out_of_fold_binary(matrix, has, groups, folds, seed) for has in labels.T]
    return several_labels(np.stack(columns, 1), labels)


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


def fold_of(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return each row's fold, (rows,), stratified; of `data.fold` the same way."""
    distinct = np.unique(groups, return_inverse=True)[1]
    if len(np.unique(distinct)) == len(labels):
        return splits.assign_folds(labels, folds, seed)
    return splits.assign_folds(labels, folds, seed, distinct)


def out_of_fold(matrix: Any, labels: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return each row's probabilities by the model of the other folds, (rows, labels).

    A label that the other folds lack has probability 0.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    probabilities = np.zeros((len(labels), labels.max() + 1))
    strength = C["dense" if isinstance(matrix, np.ndarray) else "sparse"]
    # threads would change the last bits; a model that has not converged judges nearly the same
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for index in np.unique(fold):
            inside = fold == index
            known = np.unique(labels[~inside])
            if len(known) == 1:
                probabilities[inside, known[0]] = 1.0
                continue
            model = LogisticRegression(C=strength, max_iter=MAX_ITER)
            model.fit(matrix[~inside], labels[~inside])
            probabilities[np.ix_(inside, known)] = model.predict_proba(matrix[inside])
    return probabilities


def out_of_fold_binary(
    matrix: Any, has: np.ndarray, groups: np.ndarray, folds: int, seed: int
) -> np.ndarray:
    """Return the probability that each row has a label, (rows,)."""
    ids = has.astype(np.int64)
    probabilities = out_of_fold(matrix, ids, fold_of(ids, groups, folds, seed))
    return probabilities[:, 1] if probabilities.shape[1] == 2 else np.zeros(len(ids))


def single_label(probabilities: np.ndarray, labels: np.ndarray) -> Doubts:
    """Rank by the normalized margin of Northcutt et al. 2021 (arXiv:1911.00068)."""
    rows = np.arange(len(labels))
    given, others = probabilities[rows, labels], probabilities.copy()
    others[rows, labels] = -1.0
    likeliest = others.argmax(1)
    return Doubts(
        scores=given - others[rows, likeliest],
        suggested=[[int(i)] for i in likeliest],
        expected=expected_errors(probabilities, labels),
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
        suggested=[np.flatnonzero(row).tolist() for row in suggested],
        expected=sum(expected_errors(both[:, i], labels[:, i].astype(int)) for i in by_label),
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
