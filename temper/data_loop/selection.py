"""Probabilities and vectors of unlabelled rows → the rows to label next.

Of the rows that the model is least sure of, as many clusters are made as rows are wanted, and the
least sure row of each is taken: Zhdanov 2019 (arXiv:1901.05954) without weights. So no two of them
ask the same question.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

CANDIDATES = 5  # least sure rows that are clustered, for each row wanted


def margins(probabilities: np.ndarray, *, has_several: bool) -> np.ndarray:
    """Return how sure the model is of each row, (rows,), 0 to 1.

    The likeliest label's probability minus the second's; where a row has several labels, that of
    the label that is the least sure to be there or not to be.

    Args:
        probabilities: (rows, labels).
    """
    if has_several:
        return abs(2 * probabilities - 1).min(1)
    ordered = np.sort(probabilities, axis=1)
    return ordered[:, -1] - ordered[:, -2]


def candidates(sureness: np.ndarray, count: int) -> np.ndarray:
    """Return the rows that are the least sure, at most `CANDIDATES` for each row wanted."""
    return np.argsort(sureness, kind="stable")[: CANDIDATES * count]


def choose(vectors: Any, sureness: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the rows to label, the least sure first.

    Args:
        vectors: (rows, size) of candidates, dense or sparse.
        sureness: of each, (rows,).
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    order = np.argsort(sureness, kind="stable")
    if len(sureness) <= count:
        return order
    options: Any = {"n_init": 1, "random_state": seed}
    with threadpool_limits(1):  # threads would change the last bits
        means = KMeans(count, **options).fit_predict(vectors)
    firsts = np.sort(np.unique(means[order], return_index=True)[1])  # of each cluster
    taken = order[firsts].tolist()
    rest = np.delete(order, firsts).tolist()
    taken += rest[: count - len(taken)]  # where clusters came out empty
    return np.array(sorted(taken, key=lambda row: (sureness[row], row)))


def new_rows(keys: Sequence[Any], known: set[Any]) -> tuple[list[int], int, int]:
    """Return the rows whose content is not known and not that of a row before.

    Returns: the rows, how many were known, and how many repeat another.
    """
    seen, rows, num_known = set(known), [], 0
    for row, key in enumerate(keys):
        if key in known:
            num_known += 1
        elif key not in seen:
            rows.append(row)
            seen.add(key)
    return rows, num_known, len(keys) - num_known - len(rows)
