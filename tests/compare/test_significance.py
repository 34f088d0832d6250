"""Paired tests and intervals are the textbook's."""

import math
from dataclasses import replace

import numpy as np
import pytest

from temper.compare import row_scores, significance
from temper.metrics import classification
from tests.helpers.comparisons import NAMES, WANTED, labelled


def test_p_and_interval_agree():
    """The interval excludes 0 exactly where p is at most 0.05."""
    random = np.random.default_rng(1)
    sides = []
    for _ in range(200):
        found = (random.random((2, 80)) < [[0.7], [0.8]]).astype(int)
        pair = [
            row_scores.from_rows("classification", labelled(np.ones(80), f), NAMES, None)
            for f in found
        ]
        seen, drawn = significance.observed(pair), significance.resample(pair, 400, 0)
        one = significance.difference("accuracy", seen["accuracy"], drawn["accuracy"])
        assert (one.low > 0 or one.high < 0) == (one.p <= significance.LEVEL)
        sides.append(one.p <= significance.LEVEL)
    assert 20 < sum(sides) < 180


def test_equal_models_are_called_different_in_about_5_percent():
    """Every test holds its level for two models with the same chance of being right in each row."""
    random, repeats, size = np.random.default_rng(2), 600, 300
    calls = {"accuracy": 0, "f1": 0, "mcnemar": 0}
    chance = random.beta(4, 1, size)
    plain = row_scores.from_rows("classification", labelled(WANTED, WANTED), NAMES, "equivalent")
    for i in range(repeats):
        wanted = random.integers(0, 2, size)
        right = random.random((2, size)) < chance
        pair = [
            replace(
                plain,
                per_example_stats=classification.per_example_stats(predicted, wanted, 2),
                right=r,
                example_loss=1.0 - r,
            )
            for predicted, r in zip(np.where(right, wanted, 1 - wanted), right, strict=True)
        ]
        seen, drawn = significance.observed(pair), significance.resample(pair, 500, i)
        for name in ("accuracy", "f1"):
            one = significance.difference(name, seen[name], drawn[name])
            calls[name] += one.p <= significance.LEVEL
        calls["mcnemar"] += significance.mcnemar(*right).p <= significance.LEVEL
    low, high = 0.024 * repeats, 0.079 * repeats  # in 998 of 1000 such tests of 5 %
    assert all(low < count < high for count in calls.values()), calls


def test_mcnemar_is_the_textbook_mid_p():
    """Of five rows that one model alone has right, four are the second's."""
    first = np.array([True, False, False, False, False, True])
    second = np.array([False, True, True, True, True, True])
    found = significance.mcnemar(first, second)
    exact = 2 * (math.comb(5, 4) + math.comb(5, 5)) / 2**5
    assert found.p == pytest.approx(exact - math.comb(5, 4) / 2**5)
    assert significance.mcnemar(first, ~first | True).gained == 4
    assert significance.mcnemar(first, first).p == 1
    assert significance.mcnemar(first[:2], first[:2][::-1]).p == 1


@pytest.mark.parametrize("kind", ["classification", "multi_label", "regression"])
def test_resampled_scores_are_the_metrics_of_their_rows(kind):
    """Each sample is compared with the metric module's scores of its rows written out."""
    from temper import metrics
    from tests.helpers.predictions import predictions_of

    random = np.random.default_rng(4)
    table, wanted = predictions_of(kind, random)
    names = ["a", "b", "c"]
    one = row_scores.from_rows(kind, table, names, None)
    seen = significance.observed([one])
    assert {k: v[0] for k, v in seen.items()} == pytest.approx(
        {key: wanted[key] for key in seen}, abs=1e-4
    )
    weights = random.multinomial(50, np.full(50, 1 / 50), 5).astype(float)
    found = one.scores(weights, one.per_example_stats)
    for i, counts in enumerate(weights.astype(int)):
        chosen = [row for row, n in zip(table, counts, strict=True) for _ in range(n)]
        again = row_scores.from_rows(kind, chosen, names, None)
        direct = significance.observed([again])
        assert {k: v[i] for k, v in found.items()} == pytest.approx(
            {k: v[0] for k, v in direct.items()}
        )
    assert set(metrics.load(kind).HEADLINE) <= set(found)


def test_spearman_counts_ties_as_scipy_does():
    """The values repeat."""
    from scipy.stats import spearmanr

    random = np.random.default_rng(6)
    found, wanted = random.integers(0, 4, (2, 60))
    table = [
        {"prediction": f"{f}", "reference": f"{w}"} for f, w in zip(found, wanted, strict=True)
    ]
    seen = significance.observed([row_scores.from_rows("regression", table, [], None)])
    assert seen["spearman"][0] == pytest.approx(spearmanr(found, wanted)[0])
