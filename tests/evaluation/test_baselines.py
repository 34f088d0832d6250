"""Baselines learn what a word gives away."""

import numpy as np

from temper.evaluation import baselines
from tests.helpers.evaluation import spec


def test_linear_baseline_learns_a_telling_word():
    """The constant baseline answers the majority."""
    texts = [["good film", "bad film", "good day", "bad day", "bad"] * 20]
    labels = np.array([1, 0, 1, 0, 0] * 20)
    found = baselines.predictions(texts, labels, {"test": [["good", "bad"]]}, spec(), 1)
    assert found["majority"]["test"].tolist() == [0, 0]
    assert found["tfidf_logistic_regression"]["test"].tolist() == [1, 0]
    assert found["naive_bayes"]["test"].tolist() == [1, 0]
