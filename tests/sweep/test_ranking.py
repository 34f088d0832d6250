"""The winner is no lucky seed."""

import pytest

from temper.sweep import ranking
from temper.sweep.results import Result


def test_ranks_configurations_by_their_mean_over_seeds():
    """Complete ones come first, and the seed nearest the mean represents them."""
    scores = [(0, 1, 0.80), (0, 2, 0.82), (0, 3, 0.90), (3, 1, 0.83), (3, 2, 0.83), (3, 3, 0.83)]
    results = [
        Result(number=i, configuration=c, seed=s, state="COMPLETE", values={}, score=v, notes={})
        for i, (c, s, v) in enumerate([*scores, (6, 1, 0.99)])
    ]
    found = ranking.rank(results, 3, greater_is_better=True)
    assert [one.number for one in found] == [0, 3, 6]
    assert found[0].mean == pytest.approx(0.84)
    assert found[0].typical.seed == 2
    assert [one.number for one in ranking.rank(results, 3, greater_is_better=False)] == [3, 0, 6]
