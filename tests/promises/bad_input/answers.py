"""Answers that are not where the file says, or not written as answers."""

import json
from typing import Any

from tests.promises.bad_input import BadInput

GOOD = {"text": ["Rome"], "answer_start": [13]}
CONTEXT = "Anna went to Rome and to Oslo, then to Oslo again."


def answers(name: str, found: Any, *says: str, context: str = CONTEXT):
    """Return a case whose second row has these answers."""
    rows = [
        {"question": "Where?", "context": CONTEXT, "answers": GOOD},
        {"question": "Where?", "context": context, "answers": found},
    ]
    return BadInput(
        name=name,
        recipe="sample-question_answering",
        files={"own.jsonl": "".join(json.dumps(row) + "\n" for row in rows)},
        changes={
            "data.files": {"train": "own.jsonl"},
            "data.split": {"validation": 0.0, "test": 0.0, "seed": 1},
        },
        says=("own.jsonl", "train row 2, column 'answers'", *says),
    )


CASES = [
    answers("not_there", {"text": ["Oslo"], "answer_start": [3]}, "'Oslo'", "3", "1 row in all"),
    answers("nowhere", {"text": ["Bonn"], "answer_start": [13]}, "'Rome and", "from 0"),
    answers("negative", {"text": ["Rome"], "answer_start": [-7]}, "-7", "from 0"),
    answers("beyond", {"text": ["Rome"], "answer_start": [90]}, "90", "of 50"),
    answers(
        "second_of_two",
        {"text": ["Rome", "Oslo"], "answer_start": [13, 14]},
        "'Oslo' does not begin at answer_start 14",
    ),
    answers(
        "two_units_disagree",
        {"text": ["go"], "answer_start": [7]},
        "'go'",
        context="🙂é go go go go",
    ),
    answers("lengths", {"text": ["Rome"], "answer_start": []}, "different lengths"),
    answers("no_start", {"text": ["Rome"]}, '"answer_start": [5]'),
    answers("text_alone", "Rome", '"answer_start": [5]'),
    answers("no_lists", {"text": "Rome", "answer_start": 13}, '"answer_start": [5]'),
    answers("start_word", {"text": ["Rome"], "answer_start": ["x"]}, "'x'"),
    answers("start_fraction", {"text": ["Rome"], "answer_start": [13.5]}, "whole number"),
    answers("start_null", {"text": ["Rome"], "answer_start": [None]}, "None"),
    answers("text_number", {"text": [13], "answer_start": [13]}, "not 13"),
    answers("text_null", [{"text": None, "answer_start": 3}], "not None"),
]
