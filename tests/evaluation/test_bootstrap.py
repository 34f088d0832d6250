"""Intervals: the closed form where there is one, and they hold the score."""

from functools import partial

import numpy as np
import pytest

from temper import metrics
from temper.evaluation import bootstrap
from temper.metrics import classification, multi_label, regression

RANDOM = np.random.default_rng(5)


def intervals(name, stats, num_samples, seed, **options):
    weighted_scores = partial(metrics.weighted_scores, name, **options)
    headline = metrics.load(name).HEADLINE
    return bootstrap.intervals(stats, weighted_scores, headline, num_samples, seed)


def test_accuracy_intervals_match_the_normal_approximation():
    """Resampled counts are compared with the closed form."""
    references = RANDOM.integers(0, 2, 1000)
    predictions = np.where(RANDOM.random(1000) < 0.8, references, 1 - references)
    stats = classification.per_example_stats(predictions, references, 2)
    found = intervals("classification", stats, 4000, 1, positive=1)
    share = (predictions == references).mean()
    half = 1.96 * (share * (1 - share) / 1000) ** 0.5
    assert found["accuracy_low"] == pytest.approx(share - half, abs=0.004)
    assert found["accuracy_high"] == pytest.approx(share + half, abs=0.004)


def test_a_score_that_no_sample_has_has_no_interval():
    """Correlations with one number; there is no warning of numpy's either."""
    numbers = regression.per_example_stats(RANDOM.normal(size=9), np.full(9, 0.1))
    found = intervals("regression", numbers, 50, 1)
    assert np.isnan([found["pearson_low"], found["pearson_high"]]).all()
    assert np.isfinite([found["mse_low"], found["mse_high"]]).all()


def test_intervals_contain_the_score():
    """Multi-label and regression intervals contain the score and narrow with more rows."""
    widths = []
    for rows in (100, 1600):
        wanted = RANDOM.normal(size=rows)
        numbers = regression.per_example_stats(wanted + RANDOM.normal(size=rows), wanted)
        found = intervals("regression", numbers, 300, 1)
        score = metrics.scores("regression", numbers)["pearson"]
        assert found["pearson_low"] < score < found["pearson_high"]
        widths.append(found["pearson_high"] - found["pearson_low"])
    assert widths[1] < 0.5 * widths[0]
    hot = RANDOM.integers(0, 2, (400, 3)).astype(bool)
    flipped = hot ^ (RANDOM.random((400, 3)) < 0.1)
    stats = multi_label.per_example_stats(flipped, hot, 3)
    score = metrics.scores("multi_label", stats)["f1_micro"]
    found = intervals("multi_label", stats, 300, 1)
    assert found["f1_micro_low"] < score < found["f1_micro_high"]


def test_spearman_intervals_are_those_of_scipy_on_the_same_rows():
    """Numbers of one digit: many ranks are shared."""
    from scipy.stats import spearmanr

    wanted = RANDOM.normal(size=50).round(1)
    predicted = (wanted + RANDOM.normal(size=50)).round(1)
    stats = regression.per_example_stats(predicted, wanted)
    found = intervals("regression", stats, 200, 7)
    rows, counts = bootstrap.distinct_rows(stats)
    values = []
    for weights in bootstrap.draw(counts, 200, 50, 7):
        for sample in weights.astype(int):
            drawn = np.repeat(rows, sample)
            assert len(drawn) == 50
            values.append(spearmanr(predicted[drawn], wanted[drawn])[0])
    low, high = np.quantile(values, (0.025, 0.975))
    assert (found["spearman_low"], found["spearman_high"]) == pytest.approx((low, high))


@pytest.mark.parametrize("is_sparse", [False, True])
def test_distinct_rows_are_all_rows_once(is_sparse):
    """Each has the number of rows that equal it."""
    ids, references = RANDOM.integers(0, 3, (2, 200))
    stats = classification.per_example_stats(ids, references, 3)
    rows, counts = bootstrap.distinct_rows(stats if is_sparse else stats.toarray())
    cells, expected = np.unique(ids * 3 + references, return_counts=True)
    found = dict(zip((ids * 3 + references)[rows].tolist(), counts.tolist(), strict=True))
    assert found == dict(zip(cells.tolist(), expected.tolist(), strict=True))
