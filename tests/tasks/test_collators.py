"""Batches as the processor and config ask: padding side, pad id, masks, multi-hot labels."""

import numpy as np

from temper.tasks.base import registry
from tests.helpers.samples import Config


class Processor:
    """The facts a collator asks a tokenizer."""

    def __init__(self, pad_token_id=0, padding_side="right"):
        self.pad_token_id, self.padding_side = pad_token_id, padding_side


def collator(write_params, processor, **changes):
    changes = {"tokenize__pad_to_multiple_of": 1} | changes
    return registry.load(write_params(**changes)).collator(processor, Config())


def test_padding_side_and_id_are_the_processors(write_params):
    """It pads left, with a pad id that is not 0, to a multiple."""
    rows = [{"input_ids": [5, 6, 7], "labels": 1}, {"input_ids": [8], "labels": None}]
    left = Processor(9, "left")
    batch = collator(write_params, left, tokenize__pad_to_multiple_of=4)(rows)
    assert batch["input_ids"].tolist() == [[9, 5, 6, 7], [9, 9, 9, 8]]
    assert batch["attention_mask"].tolist() == [[0, 1, 1, 1], [0, 0, 0, 1]]
    assert batch["labels"].tolist() == [1, -100]
    fixed = {"tokenize__max_length": 6, "tokenize__padding": "max_length"}
    batch = collator(write_params, Processor(9), **fixed)(rows)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 9, 9, 9], [8, 9, 9, 9, 9, 9]]


def test_masks_by_length_not_by_pad_id(write_params):
    """The pad token may also be a real token."""
    batch = collator(write_params, Processor(7))([{"input_ids": [7, 1]}, {"input_ids": [7]}])
    assert batch["attention_mask"].tolist() == [[1, 1], [1, 0]]


def test_multi_label_rows_are_multi_hot(write_params):
    """A row may have no label, several, or be unlabelled."""
    kind = "multi_label_classification"
    changes = {"task__problem_type": kind, "evaluate__positive_label": None}
    changes |= {"evaluate__threshold": 0.5}
    collate = collator(write_params, Processor(), **changes)
    labels = collate([{"input_ids": [1], "labels": y} for y in ([], [0, 2], None)])["labels"]
    np.testing.assert_array_equal(labels, [[0, 0, 0], [1, 0, 1], [np.nan] * 3])
