"""Questions with answers that stand in a text, and those without one."""

import json

import pytest

from temper.init import finders, proposal
from temper.init.profiles import profile
from temper.init.roles import Wishes
from temper.init.settings import Model
from temper.init.source import Source

ANSWER, NONE = {"text": ["Rome"], "answer_start": [5]}, {"text": [], "answer_start": []}


def proposed(answers):
    """Return how answers are read, and the notes, of rows with these in turn."""
    rows = {"question": [f"what is {i}?" for i in range(40)], "context": ["It is Rome."] * 40}
    columns = profile([{**rows, "answers": answers * (40 // len(answers))}])
    roles = finders.find_roles(columns, Wishes(choose=lambda *_: ""))
    source = Source(files={"train": "x.jsonl"})
    parameters, _ = proposal.build(source, columns, roles, Model(name="m"))
    return parameters["evaluate"]["span_decoding"], roles.notes


@pytest.mark.parametrize("write", [dict, json.dumps, str, lambda a: [a] if a["text"] else []])
def test_a_model_may_say_that_there_is_no_answer_where_questions_have_none(write):
    """As SQuAD v2 has them; as a table holds them, in JSON or as Python prints it; nested."""
    decoding, notes = proposed([write(ANSWER), write(ANSWER), write(NONE), write(ANSWER)])
    assert decoding["no_answer_threshold"] == 0.0
    assert notes == ("10 of 40 questions have no answer",)
    decoding, notes = proposed([write(ANSWER)])
    assert "no_answer_threshold" not in decoding
    assert notes == ()
