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


def test_equally_frequent_terms_are_kept_in_the_order_of_the_alphabet(monkeypatch):
    """Which rows they come from, and in which order, does not matter."""
    monkeypatch.setattr(baselines, "MAX_FEATURES", 30)
    words = [f"w{i:03}" for i in range(200)]
    for rows in (words, words[::-1]):
        assert baselines.most_frequent([["z", "z"], rows]) == [*words[:29], "z"]
