"""What an evaluator keeps of a split."""

from collections import Counter

import numpy as np
from scipy.sparse import csr_array

from temper.evaluation.evaluator import SplitResult, joined, sample_mask
from temper.metrics.label_stats import LabelOutputs


def test_keeps_probabilities_of_a_bounded_sample():
    """Memory does not grow with rows x classes."""
    assert sample_mask(10_000, 2, 1).all()
    kept = sample_mask(1_000_000, 300, 1)
    assert len(kept) == 1_000_000
    assert 1_900_000 < kept.sum() * 300 <= 2_000_000


def test_windows_are_joined_in_order():
    """Arrays, sparse ones, lists and counts are those of the whole split."""
    parts = [
        SplitResult(
            stats=csr_array(np.array([[i, 0], [0, i]])),
            decoded_predictions=[f"a{i}"],
            type_counts=Counter({("x", "hits"): i}),
            outputs=LabelOutputs(
                predictions=np.array([i, i]),
                confidence=np.array([0.5, i]),
                loss=None,
                probabilities=np.ones((1, 2)),
                sampled_rows=np.array([True, False]),
            ),
        )
        for i in (1, 2)
    ]
    whole = joined(parts)
    assert whole.stats.toarray().tolist() == [[1, 0], [0, 1], [2, 0], [0, 2]]
    assert whole.decoded_predictions == ["a1", "a2"]
    assert whole.type_counts == {("x", "hits"): 3}
    assert whole.outputs.predictions.tolist() == [1, 1, 2, 2]
    assert whole.outputs.sampled_rows.tolist() == [True, False, True, False]
    assert whole.outputs.loss is None
    assert whole.references is None
