"""Per class, confusion, worst examples and slices, by hand."""

import numpy as np
import pytest

from temper.evaluation import tables
from temper.evaluation.split_result import sample_rows
from tests.helpers.evaluation import scored, spec

RANDOM = np.random.default_rng(5)


def test_tables_match_a_hand_made_example():
    """Classes are ordered by support; the most confused pair and the worst example come first."""
    found = scored([0, 0, 1, 2, 2, 2, 1], [0, 0, 0, 2, 2, 2, 2])
    three = spec(names=("a", "b", "c"), positive=None)
    rows = tables.per_class(found, three)
    assert [(row["label"], row["support"]) for row in rows] == [("c", 4), ("a", 3), ("b", 0)]
    assert rows[0]["recall"] == 0.75
    assert rows[0]["precision"] == 1.0
    _, pairs = tables.confusion(found, three)
    assert [(p["actual"], p["predicted"], p["count"]) for p in pairs] == [
        ("a", "b", 1),
        ("c", "b", 1),
    ]
    worst = tables.worst_examples(found, {"text": list("rstuvwx").__getitem__}, three, 2)
    assert [row["text"] for row in worst] == ["x", "w"]
    assert (worst[0]["reference"], worst[0]["prediction"]) == ("c", "b")


def test_slices_are_the_scores_of_their_rows():
    """Each value of a column has its scores and its count."""
    references = RANDOM.integers(0, 2, 90)
    predictions = RANDOM.integers(0, 2, 90)
    topics = np.array(["x", "y", "z"])[RANDOM.integers(0, 3, 90)]
    rows = tables.label_slices(scored(predictions, references), {"topic": topics}, spec(), 100, 1)
    for row in rows:
        inside = topics == row["value"]
        assert row["rows"] == inside.sum()
        expected = (predictions[inside] == references[inside]).mean()
        assert row["accuracy"] == pytest.approx(expected, abs=1e-6)
    assert [row["value"] for row in rows] == ["x", "y", "z"]


def test_stores_probabilities_of_a_bounded_sample():
    """Memory does not grow with rows × classes."""
    assert len(sample_rows(10_000, 2, 1)) == 10_000
    kept = sample_rows(1_000_000, 300, 1)
    assert len(kept) * 300 <= 2_000_000
    assert (np.diff(kept) > 0).all()
