"""Ranks of the relevant texts of each query → NDCG@10, MRR and recall@k."""

import numpy as np

from temper.metrics import aggregates

CUTOFFS = (1, 5, 10)
DEPTH = 10  # of NDCG
RECALL = tuple(f"recall_at_{k}" for k in CUTOFFS)
HEADLINE = ("ndcg_at_10", "mrr", "recall_at_1", "recall_at_10")
GREATER_IS_BETTER = dict.fromkeys((*HEADLINE, "recall_at_5"), True)


def per_example_stats(predictions: list, references: list) -> np.ndarray:
    """Return recall@k for each of `CUTOFFS`, reciprocal rank, NDCG@10 and 1 of each query.

    NDCG (Järvelin & Kekäläinen 2002) has gains of 0 and 1. The reciprocal rank is that of the first
    relevant text, wherever it is.

    Args:
        predictions: the ranks of a query's relevant texts, from 1, in ascending order.
        references: not read.
    """
    discounts = 1 / np.log2(np.arange(2, DEPTH + 2))
    rows = []
    for values in predictions:
        ranks = np.asarray(values)
        recall = [float((ranks <= k).mean()) for k in CUTOFFS]
        gain = discounts[ranks[ranks <= DEPTH] - 1].sum()
        rows.append((*recall, 1 / ranks[0], gain / discounts[: len(ranks)].sum(), 1))
    return np.array(rows, dtype=np.float64).reshape(-1, len(CUTOFFS) + 3)


def aggregate(totals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of summed statistics (samples, columns)."""
    columns = (*RECALL, "mrr", "ndcg_at_10")
    means = {name: aggregates.mean(totals, i, len(columns)) for i, name in enumerate(columns)}
    return {name: means[name] for name in GREATER_IS_BETTER}


def example_loss(stats: np.ndarray) -> np.ndarray:
    """Return 1 - the reciprocal rank of each query."""
    return 1 - stats[:, len(CUTOFFS)]
