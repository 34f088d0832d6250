"""Rows to label next: unsure ones, of different kinds, none that is there already."""

import numpy as np
import pytest

from temper.data_loop import selection


def test_margins_are_least_where_the_model_cannot_decide():
    probabilities = np.array([[0.5, 0.45, 0.05], [0.9, 0.05, 0.05]])
    assert selection.margins(probabilities, has_several=False) == pytest.approx([0.05, 0.85])
    assert selection.margins(probabilities, has_several=True) == pytest.approx([0.0, 0.8])


def test_one_row_of_each_kind_is_chosen():
    """The least sure of each of three clusters, though one of them has the six least sure rows."""
    centres = np.repeat(np.eye(3) * 10, [6, 3, 3], axis=0)
    vectors = centres + np.random.default_rng(0).normal(size=(12, 3)) / 10
    sureness = np.linspace(0, 1, 12)
    assert selection.choose(vectors, sureness, 3, 0).tolist() == [0, 6, 9]
    assert selection.choose(vectors, sureness, 20, 0).tolist() == list(range(12))


def test_as_many_rows_are_chosen_as_are_wanted():
    """Also where rows are equal, so that clusters come out empty."""
    with pytest.warns(match="distinct clusters"):
        chosen = selection.choose(np.ones((9, 2)), np.linspace(1, 0, 9), 4, 0)
    assert chosen.tolist() == [8, 7, 6, 5]


def test_candidates_are_the_least_sure():
    sureness = np.linspace(1, 0, 100)
    assert selection.candidates(sureness, 2).tolist() == list(range(99, 89, -1))


def test_known_and_repeated_rows_are_left_out():
    assert selection.new_rows(["a", "b", "a", "c", "c"], {"b"}) == ([0, 3], 1, 2)
