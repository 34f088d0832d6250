"""Where an answer begins, from positions counted in other units."""

import pytest

from temper import params
from temper.core.errors import InputError
from temper.ingest import answers, split_stats
from tests.helpers.workspace import ROOT

CONTEXT = "📉 Zoë, née Ortega, went to Łódź and Zoë came 🙂 back."


@pytest.mark.parametrize("text", ["Łódź", "Ortega", "🙂 back", "📉"])
@pytest.mark.parametrize(
    ("encoding", "size", "unit"), [("utf-16-le", 2, "UTF-16 units"), ("utf-8", 1, "UTF-8 bytes")]
)
def test_finds_the_character_of_a_position_in_other_units(text, encoding, size, unit):
    """The text before the answer has another length in them."""
    character = CONTEXT.index(text)
    start = len(CONTEXT[:character].encode(encoding)) // size
    if start == character:
        assert text == "📉"
        return
    found, reason = answers.find_start(CONTEXT, text, start)
    assert found == character
    assert unit in reason


def test_an_answer_that_the_context_has_once_is_found_from_anywhere_in_it():
    """Twice, also overlapping, leaves it open; a position outside says nothing."""
    assert answers.find_start(CONTEXT, "went", 0)[0] == CONTEXT.index("went")
    for text, start in (("Zoë", 0), ("aa", 0), ("went", -1), ("went", 400)):
        with pytest.raises(InputError, match="does not begin at answer_start"):
            answers.find_start("baaab" if text == "aa" else CONTEXT, text, start)


def test_corrected_answers_are_counted():
    """Right ones are not; what is written are the corrected ones."""
    parameters = params.load(ROOT / "recipes/sample-question_answering.yaml")
    context = "🙂 Anna went to Rome."
    starts = (context.index("Rome"), context.index("Rome") + 1, context.index("Rome") + 1)
    batch = {
        "question": ["Where?"] * 3,
        "context": [context] * 3,
        "answers": [{"text": ["Rome"], "answer_start": [start]} for start in starts],
    }
    task, data, written = parameters.task, parameters.data, []
    stats = split_stats.read_split([batch], task, data, "train", written.append)
    assert stats.describe_notes() == [
        "2 answers whose start was counted in UTF-16 units: corrected to characters"
    ]
    (rows,) = written
    assert [answer["answer_start"] for answer in rows["answers"]] == [[15]] * 3


def test_a_question_without_answers_beside_others_is_told_how_to_say_that_it_has_none():
    """A null is no label; an empty list is one."""
    parameters = params.load(ROOT / "recipes/sample-question_answering.yaml")
    task, data = parameters.task, parameters.data
    batch = {"question": ["Where?"] * 2, "context": ["In Rome."] * 2}
    answer = {"text": ["Rome"], "answer_start": [3]}
    split_stats.read_split([batch | {"answers": [answer, []]}], task, data, "train")
    message = (
        r"no label, but 1 other .* add it, or \[\] where the question has no answer, or remove"
    )
    with pytest.raises(InputError, match=message):
        split_stats.read_split([batch | {"answers": [answer, None]}], task, data, "train")
