"""Vectors, labels and folds → each row's probabilities by a linear model of the other folds."""

import warnings
from typing import Any

import numpy as np

C = {"dense": 1.0, "sparse": 3.0}  # inverse of the regularization
MAX_ITER = 300


def out_of_fold(matrix: Any, labels: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return each row's probabilities by the model of the other folds, (rows, labels).

    A label that the other folds lack has probability 0.

    Args:
        matrix: (rows, size), dense or sparse.
        labels: ids (rows,), or booleans (rows, labels) where a row has several.
    """
    if labels.ndim == 2:
        return np.stack([_has_label(matrix, has, fold) for has in labels.T], 1)
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


def _has_label(matrix: Any, has: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return the probability that each row has a label, (rows,)."""
    probabilities = out_of_fold(matrix, has.astype(np.int64), fold)
    return probabilities[:, 1] if probabilities.shape[1] == 2 else np.zeros(len(has))
