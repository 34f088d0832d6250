"""Questions with answers that stand in a text, and those without one."""

import json

import pytest

from temper.core.errors import InputError
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


@pytest.mark.parametrize("more", [{}, {"answer_start": [6] * 40}])
def test_answers_without_their_places_are_refused_with_the_form_to_write(more):
    """An encoder does not write them; a model that writes may. answer_start is no label."""
    rows = {"question": [f"which {i}?" for i in range(40)]}
    rows |= {"context": [f"It is Rome {i}." for i in range(40)]}
    columns = profile([rows | {"answer": [f"Rome {i}" for i in range(40)]} | more])

    def roles(**wishes):
        return finders.find_roles(columns, Wishes(choose=lambda *_: "context", **wishes))

    for wishes in ({"is_encoder": True}, {"task": "question_answering"}):
        with pytest.raises(
            InputError, match=r"'answer' stands in 'context'.*\"answer_start\": \[5]"
        ):
            roles(**wishes)
    if not more:
        assert roles(has_encoder=False).task["name"] == "causal_lm"
    assert roles(is_encoder=True, task="masked_lm").task["name"] == "masked_lm"


@pytest.mark.parametrize("cell", [1.5, ["It is Rome."]])
def test_contexts_that_are_no_texts_hold_no_answers(cell):
    """Numbers and lists are asked about like any other column."""
    rows = {"question": [f"which {i}?" for i in range(40)], "context": [cell] * 40}
    columns = profile([rows | {"answer": [f"Rome {i}" for i in range(40)]}])
    wishes = Wishes(choose=lambda *_: "question", is_encoder=True)
    assert finders.find_roles(columns, wishes).task["name"] != "question_answering"


def test_an_answer_is_looked_for_in_the_context_of_its_row():
    """Empty cells do not shift the rows after them."""
    rows = {"question": [f"which {i}?" for i in range(40)]}
    rows |= {"context": [f"It is Rome {i}." for i in range(39)] + [None]}
    columns = profile([rows | {"answer": [None] + [f"Rome {i}" for i in range(1, 40)]}])
    with pytest.raises(InputError, match="'answer' stands in 'context'"):
        finders.find_roles(columns, Wishes(choose=lambda *_: "context", is_encoder=True))
