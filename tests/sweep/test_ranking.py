"""The winner is no lucky seed."""

import pytest

from temper.sweep import ranking
from temper.sweep.results import Result


def test_the_winner_is_no_lucky_seed():
    """Configurations by mean, whole ones first; of its seeds the one nearest the mean."""
    scores = [(0, 1, 0.80), (0, 2, 0.82), (0, 3, 0.90), (3, 1, 0.83), (3, 2, 0.83), (3, 3, 0.83)]
    results = [
        Result(number=i, configuration=c, seed=s, state="COMPLETE", values={}, score=v, notes={})
        for i, (c, s, v) in enumerate([*scores, (6, 1, 0.99)])
    ]
    found = ranking.ranked(results, 3, greater=True)
    assert [one.number for one in found] == [0, 3, 6]
    assert found[0].mean == pytest.approx(0.84)
    assert found[0].typical.seed == 2
    assert [one.number for one in ranking.ranked(results, 3, greater=False)] == [3, 0, 6]
