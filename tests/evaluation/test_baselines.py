"""Baselines learn what a word gives away."""

from collections import Counter

import numpy as np
import pytest

from temper.evaluation import baselines
from temper.tasks.base import audio


def test_linear_baseline_learns_a_telling_word():
    """The constant baseline answers the majority."""
    texts = [["good film", "bad film", "good day", "bad day", "bad"] * 20]
    labels = np.array([1, 0, 1, 0, 0] * 20)
    found = baselines.predictions(texts, labels, {"test": [["good", "bad"]]}, "classification")
    assert found["majority"]["test"].tolist() == [0, 0]
    assert found["tfidf_logistic_regression"]["test"].tolist() == [1, 0]
    assert found["naive_bayes"]["test"].tolist() == [1, 0]


def test_equally_frequent_terms_are_kept_in_the_order_of_the_alphabet(monkeypatch):
    """Columns are terms in the order of the alphabet."""
    monkeypatch.setattr(baselines, "MAX_FEATURES", 3)
    counts = np.array([[1, 0, 1, 0, 2], [0, 1, 0, 1, 0]])
    assert baselines.most_frequent(counts).tolist() == [0, 1, 4]


@pytest.mark.parametrize("most", [50_000, 12])
def test_features_are_scikit_learns(monkeypatch, most):
    """It is given the terms to keep; two columns are followed by difference and product."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    monkeypatch.setattr(baselines, "MAX_FEATURES", most)
    random = np.random.default_rng(5)
    columns = [[" ".join(random.choice([*"abcdef"], 9)) for _ in range(40)] for _ in range(2)]
    train, features = baselines.tfidf(columns, {"test": [columns[1], columns[0]]})
    options = {"ngram_range": (1, 2), "token_pattern": r"\S+"}
    texts = columns[0] + columns[1]
    counts = Counter(
        t for text in map(TfidfVectorizer(**options).build_analyzer(), texts) for t in text
    )
    terms = sorted(sorted(counts, key=lambda term: (-counts[term], term))[:most])
    vectorizer = TfidfVectorizer(**options, vocabulary=terms).fit(texts)
    first, second = (vectorizer.transform(column).toarray() for column in columns)
    shared = [abs(first - second), first * second]
    assert np.array_equal(train.toarray(), np.hstack([first, second, *shared]))
    assert np.array_equal(features["test"].toarray(), np.hstack([second, first, *shared]))


def test_spectra_tell_high_tones_from_low_ones():
    """Of any length; the bands are those of the energy of a tone."""
    seconds = np.arange(8000) / 8000
    low, high = (audio.encode(np.sin(2 * np.pi * f * seconds), 8000) for f in (400, 3100))
    spectra = np.stack([baselines.spectrum(data) for data in (low, high)])  # (2, 2 * BANDS)
    width = baselines.SPECTRUM_RATE / 2 / baselines.BANDS
    assert spectra[:, : baselines.BANDS].argmax(1).tolist() == [400 // width, 3100 // width]
    short = audio.encode(np.sin(2 * np.pi * 400 * seconds[:500]), 8000)
    assert baselines.spectrum(short)[: baselines.BANDS].argmax() == 400 // width
    rows, labels = np.repeat(spectra, 20, axis=0), np.repeat([0, 1], 20)
    found = baselines.predictions(rows, labels, {"test": spectra}, "classification", "audio")
    assert found["spectrum_logistic_regression"]["test"].tolist() == [0, 1]
