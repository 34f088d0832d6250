"""Choices: any number of them, each with the stem in front."""

import numpy as np
import pytest

from temper import inference
from temper.ingest import row_checks
from temper.tasks.base.arrays import as_rows
from tests.helpers.samples import load


def test_rows_may_have_different_numbers_of_choices():
    """In a batch of two and five choices, the shorter row's answer is one of its own."""
    import torch
    from transformers import AutoModelForMultipleChoice

    task, processor, config = load(
        "recipes/sample-multiple_choice.yaml", task__choices=["endings"], task__stem=None
    )
    given = {
        "context": ["Anna came."] * 3,
        "endings": [["a", "b"], ["c", "d", "e", "f", "g"], ["😀", ""]],
        "label": [1, 4, 0],
    }
    columns = task.encode(given, processor, mode="train")
    rows = as_rows(columns)
    torch.manual_seed(0)
    model = AutoModelForMultipleChoice.from_config(config)
    forward, collate = inference.torch_forward(model, task), task.collator(processor, config)
    run_batch = inference.logits_runner(forward, collate, task)
    together = list(inference.row_outputs(run_batch, inference.RowList(rows), 3))
    assert [len(row) for row in together] == [2, 5, 2]
    for row, logits in zip(rows, together, strict=True):
        (alone,) = run_batch([row])
        np.testing.assert_allclose(alone, logits, atol=1e-5)
    row_checks.check_choices(given, task.params, str)
    with pytest.raises(ValueError, match="choice 2 of 2"):
        row_checks.check_choices(given | {"label": [2, 0, 0]}, task.params, str)


def test_stem_begins_every_choice():
    """The tokens are those of stem and choice together."""
    task, processor, _ = load("recipes/sample-multiple_choice.yaml", task__choices=["ends"])
    given = {"context": ["Anna came."], "stem": ["The visitor"], "ends": [["left", "stayed"]]}
    columns = task.encode(given, processor, mode="evaluate")
    expected = processor("Anna came.", "The visitor stayed")["input_ids"]
    assert columns["input_ids"][0][1] == expected


def test_only_the_padding_at_the_end_of_a_row_is_dropped():
    """A choice of one token before others keeps its index."""
    task, _, _ = load("recipes/sample-multiple_choice.yaml", task__choices=["ends"])
    lengths = np.array([[1, 3, 2, 1], [3, 2, 2, 2], [2, 1, 1, 1]])
    mask = (np.arange(3) < lengths[:, :, None]).astype(int)
    outputs = np.arange(12).reshape(3, 4)
    found = task.unpad(outputs, {"attention_mask": mask})
    assert [row.tolist() for row in found] == [[0, 1, 2], [4, 5, 6, 7], [8]]
