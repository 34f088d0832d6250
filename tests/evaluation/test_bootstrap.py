"""Intervals: the closed form where there is one, and they hold the score."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from temper.evaluation import bootstrap
from temper.evaluation.split_result import SplitResult, scores
from tests.helpers.evaluation import scored, spec

RANDOM = np.random.default_rng(5)


def test_accuracy_intervals_match_the_normal_approximation():
    """Resampled counts are compared with the closed form."""
    references = RANDOM.integers(0, 2, 1000)
    predictions = np.where(RANDOM.random(1000) < 0.8, references, 1 - references)
    found = bootstrap.intervals(scored(predictions, references), spec(), 4000, 1)
    share = (predictions == references).mean()
    half = 1.96 * (share * (1 - share) / 1000) ** 0.5
    assert found["accuracy_low"] == pytest.approx(share - half, abs=0.004)
    assert found["accuracy_high"] == pytest.approx(share + half, abs=0.004)


def test_intervals_contain_the_score():
    """Multi-label and regression intervals contain the score and narrow with more rows."""
    widths = []
    for rows in (100, 1600):
        wanted = RANDOM.normal(size=rows)
        predicted = wanted + RANDOM.normal(size=rows)
        numbers = scored_numbers(predicted, wanted)
        kind = spec("regression", (), None)
        found = bootstrap.intervals(numbers, kind, 300, 1)
        score = scores(numbers, kind)["pearson"]
        assert found["pearson_low"] < score < found["pearson_high"]
        widths.append(found["pearson_high"] - found["pearson_low"])
    assert widths[1] < 0.5 * widths[0]
    hot = RANDOM.integers(0, 2, (400, 3)).astype(bool)
    flipped = hot ^ (RANDOM.random((400, 3)) < 0.1)
    many = SplitResult(
        predictions=csr_array(flipped),
        references=csr_array(hot),
        confidence=np.ones(400),
        loss=np.ones(400),
        sampled_rows=np.arange(400),
        probabilities=flipped.astype(float),
    )
    kind = spec("multi_label", "abc", None)
    found, score = bootstrap.intervals(many, kind, 300, 1), scores(many, kind)["f1_micro"]
    assert found["f1_micro_low"] < score < found["f1_micro_high"]


def test_spearman_intervals_are_those_of_scipy_on_the_same_rows():
    """Numbers of one digit: many ranks are shared."""
    from scipy.stats import spearmanr

    wanted = RANDOM.normal(size=50).round(1)
    predicted = (wanted + RANDOM.normal(size=50)).round(1)
    numbers = scored_numbers(predicted, wanted)
    found = bootstrap.intervals(numbers, spec("regression", (), None), 200, 7)
    rows = np.random.default_rng(7).integers(0, 50, (200, 50))
    values = [spearmanr(predicted[sample], wanted[sample])[0] for sample in rows]
    low, high = np.quantile(values, (0.025, 0.975))
    assert (found["spearman_low"], found["spearman_high"]) == pytest.approx((low, high))


def scored_numbers(predicted, wanted):
    return SplitResult(
        predictions=predicted,
        references=wanted,
        confidence=predicted,
        loss=(predicted - wanted) ** 2,
        sampled_rows=np.arange(len(wanted)),
        probabilities=np.empty((len(wanted), 0)),
    )
