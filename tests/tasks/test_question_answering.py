"""Answers map back to their text, and no window loses one."""

import itertools

import numpy as np
import pytest

from temper import inference
from temper.tasks.base.arrays import as_rows
from temper.tasks.question_answering import best_span
from temper.training.losses import build_loss
from tests.helpers.samples import ODD, load


def test_answers_map_back_to_their_text():
    """The labelled tokens cover the answer's characters, whatever surrounds it."""
    task, processor, _ = load("recipes/sample-question_answering.yaml")
    for before, after in itertools.product(ODD, repeat=2):
        context = f"{before} Anna went to Oslo. {after}"
        start = context.index("Oslo")
        row = {
            "question": ["Where?"],
            "context": [context],
            "answers": [{"text": ["Oslo"], "answer_start": [start]}],
        }
        found = task.encode(row, processor, mode="train")
        spans = [
            context[found["starts"][i][a] : found["ends"][i][b]]
            for i, (a, b) in enumerate(found["labels"])
            if b
        ]
        assert "Oslo" in spans
        assert set(spans) == {"Oslo"}


def test_windows_lose_no_answer_and_decode_finds_it():
    """Each token of a long context is in a window, and decoding gives the best span."""
    task, processor, _ = load(
        "recipes/sample-question_answering.yaml", tokenize__max_length=24, tokenize__stride=6
    )
    context = " ".join(f"word{i} ." for i in range(40)) + " Anna went to Oslo."
    examples = inference.RowList([{"question": "Where ?", "context": context}])
    columns = task.encode(
        {"question": ["Where ?"], "context": [context]}, processor, mode="evaluate"
    )
    covered = {
        at
        for starts, ends in zip(columns["starts"], columns["ends"], strict=True)
        for a, b in zip(starts, ends, strict=True)
        for at in range(a, b)
    }
    assert {i for i, c in enumerate(context) if c != " "} <= covered
    assert len(columns["input_ids"]) > 5
    start, logits = context.index("Oslo"), []
    for starts, ends in zip(columns["starts"], columns["ends"], strict=True):
        one = np.zeros((2, len(starts)))
        for i, (a, b) in enumerate(zip(starts, ends, strict=True)):
            one[:, i] += 9.0 * (a >= start and b <= start + 4)
        logits.append(one)
    rows = as_rows(columns)
    answer = task.decode({"logits": logits}, inference.RowList(rows), examples, processor)
    assert answer == ["Oslo"]
    silent = [np.eye(2, len(one[0]))[[0, 0]] * 50 + one for one in logits]
    assert task.decode({"logits": silent}, inference.RowList(rows), examples, processor) == [""]


def test_searches_spans_among_the_n_best_up_to_a_length():
    """A longer limit or more candidates find other spans."""
    logits = np.zeros((2, 8))
    logits[0, [1, 5]], logits[1, [7, 6]] = [9, 8], [9, 4]
    places = list(range(8))

    def best(n_best, longest):
        return best_span(logits, places, places, n_best, longest)

    assert best(20, 30) == (18.0, 1, 7)
    assert best(20, 4) == (17.0, 5, 7)
    assert best(1, 4) == (-np.inf, 0, 0)
    assert best(2, 2) == (12.0, 5, 6)


@pytest.mark.parametrize(("threshold", "silent"), [(None, False), (50.0, False), (0.0, True)])
def test_no_answer_must_beat_the_best_span_by_the_threshold(threshold, silent):
    """With null there is always an answer."""
    task, processor, _ = load(
        "recipes/sample-question_answering.yaml",
        evaluate__span_decoding={
            "n_best": 5,
            "max_answer_length": 5,
            "no_answer_threshold": threshold,
        },
    )
    given = {"question": ["Where?"], "context": ["Anna went to Oslo."]}
    columns = task.encode(given, processor, mode="evaluate")
    rows = inference.RowList([{name: values[0] for name, values in columns.items()}])
    logits = np.zeros((2, len(rows[0]["input_ids"])))
    logits[:, 0], logits[:, -3] = 9.0, 3.0
    examples = inference.RowList([{name: values[0] for name, values in given.items()}])
    (answer,) = task.decode({"logits": [logits]}, rows, examples, processor)
    assert (answer == "") is silent


def test_a_context_without_tokens_has_no_answer_and_no_score():
    """JSON has no infinity: one such row would keep all rows of a file or request unanswered."""
    task, processor, _ = load("recipes/sample-question_answering.yaml")
    given = {"question": ["Where?"] * 3, "context": ["", "\u200b", "Anna went to Oslo."]}
    rows = inference.RowList(as_rows(task.encode(given, processor, mode="predict")))
    outputs = {"logits": [np.ones((2, len(row["input_ids"]))) for row in rows]}
    examples = inference.RowList(as_rows(given))
    found = task.prediction_columns(outputs, rows, examples, processor)
    assert found["prediction"][:2] == ["", ""]
    assert found["score"] == [None, None, 0.0]


def test_a_long_question_is_cut_without_a_warning_of_transformers():
    """It would say that the model fails on what is cut before it reads it."""
    task, processor, _ = load("recipes/sample-question_answering.yaml")
    processor.model_max_length, warned = 64, processor.deprecation_warnings
    warned.clear()
    assert len(processor(*task.shortened(["who " * 700], processor))["input_ids"]) < 64
    assert not warned
    processor("who " * 700)
    assert warned  # so that the test sees one


def test_padding_does_not_change_the_loss():
    """A row's is that of transformers without padding, also beside a longer row."""
    import torch
    from transformers import AutoModelForQuestionAnswering

    task, processor, config = load("recipes/sample-question_answering.yaml")
    contexts = ["Anna went to Oslo.", "Anna went to Oslo. " + "Ben stayed at home. " * 5]
    answers = [{"text": ["Oslo"], "answer_start": [13]}] * 2
    given = {"question": ["Where?"] * 2, "context": contexts, "answers": answers}
    rows = as_rows(task.encode(given, processor, mode="train"))
    torch.manual_seed(0)
    model = AutoModelForQuestionAnswering.from_config(config).eval()
    expected = 0.0
    for row in rows:
        ids, types = (torch.tensor([row[name]]) for name in ("input_ids", "token_type_ids"))
        start, end = torch.tensor(row["labels"])[:, None]
        ends = {"start_positions": start, "end_positions": end}
        expected += 2 * model(ids, token_type_ids=types, **ends).loss
    batch = {n: torch.from_numpy(v) for n, v in task.collator(processor, config)(rows).items()}
    labels = batch.pop("labels")
    assert (batch["attention_mask"] == 0).any()
    loss = build_loss("cross_entropy")(task.logits(model(**batch), batch), labels)
    torch.testing.assert_close(loss, expected)
