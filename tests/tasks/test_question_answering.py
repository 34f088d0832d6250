"""Answers map back to their text, and no window loses one."""

import itertools

import numpy as np

from temper import inference
from tests.helpers.samples import ODD, load


def test_answers_map_back_to_their_text():
    """The labelled tokens' characters cover the answer, whatever surrounds it."""
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
    """A long text: each token of the context is in a window, and the best span is read off."""
    task, processor, _ = load(
        "recipes/sample-question_answering.yaml", tokenize__max_length=24, tokenize__stride=6
    )
    context = " ".join(f"word{i} ." for i in range(40)) + " Anna went to Oslo."
    examples = inference.Features([{"question": "Where ?", "context": context}])
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
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    answer = task.decode({"logits": logits}, inference.Features(rows), examples, processor)
    assert answer == ["Oslo"]
    silent = [np.eye(2, len(one[0]))[[0, 0]] * 50 + one for one in logits]
    assert task.decode({"logits": silent}, inference.Features(rows), examples, processor) == [""]
