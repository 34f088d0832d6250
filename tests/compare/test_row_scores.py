"""Predictions files of every kind are read."""

import numpy as np
import pytest

from temper.compare import row_scores, significance


@pytest.mark.parametrize(
    ("kind", "cells", "score", "value"),
    [
        ("entities", [("B-x I-x O", "B-x I-x O"), ("O B-x", "O O")], "f1", 2 / 3),
        ("choices", [("1", "1"), ("0", "2")], "accuracy", 0.5),
        ("answers", [("the cat | a dog", "dog"), ("", "x")], "exact_match", 0.5),
        ("completions", [("a b", " a b"), ("c", "d")], "exact_match", 0.5),
        ("translation", [("a b", "a b"), ("c", "d")], "exact_match", 0.5),
        ("summarization", [("a b", "a b"), ("c", "d")], "rouge1", 0.5),
        (
            "language",
            [("", "perplexity 2 of 3 tokens"), ("", "perplexity 8 of 1 tokens"), ("", "")],
            "perplexity",
            2**1.5,
        ),
    ],
)
def test_reads_every_kind_of_predictions_file(kind, cells, score, value):
    """Scores are those of evaluate; a row is right if all of it is right."""
    table = [{"reference": wanted, "prediction": found} for wanted, found in cells]
    one = row_scores.from_rows(kind, table, [], None)
    assert significance.observed([one])[score][0] == pytest.approx(value)
    is_counted = kind in ("entities", "choices", "answers", "completions")
    assert (one.right.tolist() if is_counted else one.right) == (
        [True, False] if is_counted else None
    )
    drawn = significance.resample([one, one], 50, 0)[score]
    assert drawn.shape == (2, 50)
    assert np.array_equal(*drawn, equal_nan=True)
