"""Batches hold rows of similar length and about equal numbers of tokens."""

import random

from temper.prediction.batches import num_tokens, token_batches


def rows_of(lengths):
    return [{"input_ids": [5] * length, "length": length} for length in lengths]


def test_every_row_is_in_one_batch_of_bounded_size():
    """The padded size is at most what was asked for, and nearly all of it is text."""
    rng = random.Random(1)
    rows = rows_of([rng.randint(1, 128) for _ in range(1000)])
    batches = list(token_batches(rows, 1024))
    assert sorted(i for batch in batches for i in batch) == list(range(1000))
    padded = [len(batch) * max(rows[i]["length"] for i in batch) for batch in batches]
    assert max(padded) <= 1024
    assert sum(row["length"] for row in rows) > 0.95 * sum(padded)


def test_a_row_longer_than_the_budget_is_alone():
    """Rows of one length keep their order, the longest come first."""
    assert list(token_batches(rows_of([2, 9, 2, 2, 3]), 6)) == [[1], [4, 0], [2, 3]]
    assert list(token_batches(rows_of([0, 0]), 8)) == [[0, 1]]


def test_choices_and_images_count_as_what_the_model_reads():
    """A row of four choices is four texts; an image has a token for 16 × 16 pixels."""
    assert num_tokens({"input_ids": [[1, 2], [1], [1], [1, 3]], "length": 2}) == 8
    assert num_tokens({"shape": [3, 224, 224], "length": 1, "pixel_values": b""}) == 196
    assert num_tokens({"shape": [1, 8, 8], "length": 1, "pixel_values": b""}) == 1
