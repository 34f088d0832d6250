"""Entities as spans of characters: refused, with the way to words and tags."""

import re

import pytest

from temper.core.errors import InputError
from temper.init import refusals
from temper.init.profiles import profile
from temper.init.roles import Wishes
from temper.init.source import Source
from tests.helpers.workspace import ROOT

TEXT = "e\u0301tude 🎉: Anna-Lena left São Paulo."


@pytest.fixture(scope="module")
def to_words():
    """Return the function of docs/data.md."""
    page = (ROOT / "docs/data.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import regex.*?)```", page, re.DOTALL)
    names = {}
    exec(code, names)
    return names["to_words"]


def test_words_have_the_tags_of_their_spans(to_words):
    """A span may end with a space; an accent of its own belongs to its letter."""
    found = to_words(TEXT, [(25, 34, "LOC"), (10, 20, "PER")])
    assert list(zip(found["words"], found["tags"], strict=True)) == [
        ("e\u0301tude", "O"), ("🎉", "O"), (":", "O"), ("Anna", "B-PER"), ("-", "I-PER"),
        ("Lena", "I-PER"), ("left", "O"), ("São", "B-LOC"), ("Paulo", "I-LOC"), (".", "O"),
    ]  # fmt: skip
    assert to_words(TEXT)["words"] == found["words"]


@pytest.mark.parametrize("span", [(11, 19), (10, 18), (5, 6), (20, 20)])
def test_a_span_that_is_off_is_an_error(to_words, span):
    """By one character at its begin or end; on a space; empty."""
    with pytest.raises(ValueError, match=r"inside a word|is empty"):
        to_words(TEXT, [(*span, "PER")])


def test_overlapping_spans_are_an_error(to_words):
    with pytest.raises(ValueError, match="overlaps another span"):
        to_words(TEXT, [(10, 19, "PER"), (15, 24, "PER")])


@pytest.mark.parametrize(
    "span", [[10, 19, "PER"], {"start": 10, "end": 19, "label": "PER"},
             {"start_offset": 10, "end_offset": 19, "label": "PER", "id": 3}],
)  # fmt: skip
def test_spans_are_read_as_no_other_task(span):
    """Before, texts with spans became a masked language model that left the spans out."""
    rows = {"text": [f"{TEXT} {i}" for i in range(20)], "entities": [[span], []] * 10}
    columns = profile([rows])
    source = Source(files={"train": "x.jsonl"})

    def check(**wishes):
        refusals.check_form(source, columns, Wishes(choose=lambda *_: "", **wishes))

    for wishes in ({}, {"task": "token_classification"}, {"label": "entities"}):
        with pytest.raises(InputError, match=r"'entities' holds spans .*docs/data\.md#spans-of-"):
            check(**wishes)
    check(task="masked_lm")


def test_answers_are_no_entities():
    """They have a start and an end beside their text in some data sets."""
    answer = {"answer_start": 0, "answer_end": 4, "text": "Anna"}
    rows = {"question": ["Who left?"] * 9, "context": [TEXT] * 9, "answers": [[answer]] * 9}
    wishes = Wishes(choose=lambda *_: "")
    refusals.check_form(Source(files={"train": "x.jsonl"}), profile([rows]), wishes)
