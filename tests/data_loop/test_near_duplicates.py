"""All pairs above the threshold and no others, as comparing each row with each finds them."""

import itertools
import random

import numpy as np
import pytest

from temper.data_loop import near_duplicates


def jaccard(first: set, second: set) -> float:
    return len(first & second) / len(first | second)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 1.0])
def test_no_pair_of_sets_is_missed(threshold, monkeypatch):
    """In blocks of rows, too."""
    monkeypatch.setattr(near_duplicates, "BLOCK", 37)
    draw = random.Random(0)
    sets = [{str(draw.randrange(12)) for _ in range(draw.randrange(1, 9))} for _ in range(150)]
    pairs, similarity = near_duplicates.similar_sets(sets, threshold)
    values = {(i, j): jaccard(sets[i], sets[j]) for i, j in itertools.combinations(range(150), 2)}
    expected = {pair: value for pair, value in values.items() if value >= threshold}
    assert dict(zip(map(tuple, pairs.tolist()), similarity, strict=True)) == pytest.approx(expected)
    assert len(expected) > 10


def test_texts_are_alike_but_for_case_spaces_and_a_word():
    """Equal ones count as 1, and rows that are alike by way of others are one group."""
    texts = [
        "The parcel arrived two days late and the box was open.",
        "the parcel  arrived two days late, and the box was open",
        "The parcel arrived two days late and the box was wet.",
        "A film that one forgets on the way home.",
    ]
    found = near_duplicates.of_texts([texts], 0.7)
    sets = [near_duplicates.shingles([near_duplicates.normalized(text)]) for text in texts]
    expected = jaccard(sets[0], sets[2])
    assert found.of_row(0) == [(1.0, 1), (pytest.approx(expected), 2)]
    assert found.of_row(3) == []
    assert found.groups().tolist() == [0, 0, 0, 1]
    assert near_duplicates.of_texts([texts], 0.95).of_row(0) == [(1.0, 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Great \U0001f600!", "great \U0001f600"),
        ("It costs 5 $, not 5 €.", "it costs 5 $ not 5 €"),
        ("\u0915\u093f\u0924\u093e\u092c", "\u0915\u093f\u0924\u093e\u092c"),  # vowel signs
        ("co\u00adop, and\tEND_", "coop and end"),
        ("  ?! ?!", "?! ?!"),
    ],
)
def test_letters_marks_digits_and_symbols_count(text, expected):
    """Punctuation does where there is nothing else."""
    assert near_duplicates.normalized(text) == expected


def test_both_texts_of_a_pair_count():
    """A text in the other column is another."""
    pairs = [["one short text", "another text"], ["another text", "one short text"]]
    assert near_duplicates.of_texts(pairs, 0.8).of_row(0) == []
    assert near_duplicates.of_texts([pairs[0], pairs[0]], 0.8).of_row(0) == []


def test_images_are_alike_if_they_correlate():
    """A brighter copy is a near-duplicate, another picture is not."""
    draw = np.random.default_rng(0)
    first, other = draw.random(48), draw.random(48)
    found = near_duplicates.of_images(np.stack([first, first * 0.9 + 0.05, other, first]), 0.98)
    assert [row for _, row in found.of_row(0)] == [3, 1]
    assert found.of_row(2) == []
