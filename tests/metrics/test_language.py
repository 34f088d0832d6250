"""Perplexity and completions, by hand."""

import numpy as np
import pytest

from temper import metrics


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
