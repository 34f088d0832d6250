"""Regression scores against NumPy."""

import numpy as np
import pytest

from temper import metrics
from temper.metrics import regression

RANDOM = np.random.default_rng(3)


def test_regression_scores_are_numpys():
    """They match NumPy's correlation and a hand-made error."""
    found, wanted = RANDOM.normal(size=60), RANDOM.normal(size=60)
    scores = metrics.compute_from_logits("regression", found[:, None], wanted)
    assert scores["mse"] == pytest.approx(np.mean((found - wanted) ** 2))
    assert scores["pearson"] == pytest.approx(np.corrcoef(found, wanted)[0, 1])
    ranks = [np.argsort(np.argsort(values)) for values in (found, wanted)]
    assert scores["spearman"] == pytest.approx(np.corrcoef(*ranks)[0, 1])


def test_correlations_with_a_prediction_that_is_no_number_are_undefined():
    """NaN has a rank, so Spearman's would be a number."""
    found, wanted = RANDOM.normal(size=(2, 9))
    found[3] = np.nan
    stats = regression.per_example_stats(found, wanted)
    scores = regression.weighted_scores(np.ones((1, 9)), stats)
    assert np.isnan(scores["pearson"])
    assert np.isnan(scores["spearman"])
