"""Answers are scored as SQuAD does."""

import pytest

from temper import metrics


def test_answers_are_scored_as_squad_does():
    """Articles, case and punctuation do not count, the best of several answers does."""
    wanted = [
        {"text": ["the Eiffel Tower", "Eiffel tower in Paris"]},
        {"text": ["in 1999"]},
        {"text": []},
        {"text": []},
        {"text": ["Oslo"]},
    ]
    scores = metrics.compute_from_predictions(
        "answers", ["Eiffel Tower!", "1999", "", "Oslo", ""], wanted
    )
    assert scores["exact_match"] == pytest.approx(2 / 5)
    assert scores["f1"] == pytest.approx((1 + 2 / 3 + 1 + 0 + 0) / 5)
