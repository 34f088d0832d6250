"""Baselines learn what a word gives away."""

import numpy as np

from temper.evaluation import baselines
from tests.helpers.evaluation import spec


def test_baselines_learn_what_a_word_gives_away():
    """A telling word: the linear baseline finds it, the constant one answers the majority."""
    texts = [["good film", "bad film", "good day", "bad day", "bad"] * 20]
    labels = np.array([1, 0, 1, 0, 0] * 20)
    found = baselines.predictions(texts, labels, {"test": [["good", "bad"]]}, spec(), 1)
    assert found["majority"]["test"].tolist() == [0, 0]
    assert found["tfidf_logistic_regression"]["test"].tolist() == [1, 0]
    assert found["naive_bayes"]["test"].tolist() == [1, 0]
