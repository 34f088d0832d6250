"""Perplexity and completions, by hand."""

import numpy as np
import pytest

from temper import metrics
from temper.metrics import completions


def test_perplexity_and_completions_match_hand_made_examples():
    """Perplexity is that of all tokens; a baseline without probabilities has none."""
    scores = metrics.compute_from_predictions("language", [(2.0, 1, 2), (4.0, 2, 4)], [None, None])
    assert scores == {"perplexity": pytest.approx(np.e), "accuracy": pytest.approx(0.5)}
    tokens = np.array([3.0, 1, 3])
    scores = metrics.compute_from_predictions(
        "completions", [("yes ", tokens), ("no", tokens)], ["yes", "yes"]
    )
    assert scores["exact_match"] == 0.5
    assert scores["perplexity"] == pytest.approx(np.e)
    assert np.isnan(
        metrics.compute_from_predictions("completions", [("yes", None)], ["yes"])["perplexity"]
    )
    assert metrics.compute_from_predictions("choices", [0, 2, 1], [0, 1, 1])[
        "accuracy"
    ] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("text", "reference", "is_right"),
    [
        ("<think>\nhm\n</think>\n\nfour\n", "<think>hm</think>four", True),
        ("<think>hm</think>four", "hm</think> four", True),
        ("<think>\n\n</think>\n\nfour", "four", True),
        ("four", "<think> </think>four", True),
        ("<think>hm</think>four", "four", False),
        ("<think>hm</think>four", "<think>h m</think>four", False),
        ("<think>four", "four", False),
        ("a  b", "a b", False),
    ],
)
def test_thoughts_are_compared_however_they_are_set(text, reference, is_right):
    """With neither the white space around them nor empty ones; what is thought counts."""
    stats = completions.per_example_stats([(text, None)], [reference])
    assert stats[0, 3] == is_right
