"""Texts become the ids that a tokenizer's own call gives."""

import pytest
from transformers import AutoTokenizer, ByT5Tokenizer

from temper.tasks.base.texts import encode_texts
from tests.helpers.workspace import ROOT

ONE = ["He opened it .", "", "A [MASK] and 中文 and more words that are cut off at the end .", "x"]
TWO = ["She did not .", "y", "B", ""]


def tokenizer(**options):
    return AutoTokenizer.from_pretrained(ROOT / "data/sample/model", **options)


@pytest.mark.parametrize("texts", [[ONE], [ONE, TWO]], ids=["single", "pair"])
@pytest.mark.parametrize("make", [tokenizer, ByT5Tokenizer], ids=["fast", "slow"])
@pytest.mark.parametrize("max_length", [8, None])
def test_ids_are_those_of_a_call(make, texts, max_length):
    """Lengths are counted before and after truncation, whatever was encoded before."""
    made = make()
    expected = made(*texts, truncation=True, max_length=max_length)
    full = [len(ids) for ids in make()(*texts)["input_ids"]]
    for _ in range(2):
        found = encode_texts(made, texts, max_length)
        assert found["input_ids"] == expected["input_ids"]
        assert found.get("token_type_ids") == expected.get("token_type_ids")
        assert found["length"] == [len(ids) for ids in expected["input_ids"]]
        assert found["full_length"] == full
    assert made.is_fast == (make is tokenizer)


def test_a_class_that_changes_texts_is_called_for_every_row():
    """What is behind it would not see the change, and the first row may have none."""
    plain = tokenizer()

    class Replacing(type(plain)):
        def __call__(self, texts, **options):
            return super().__call__([text.replace("中文", "x") for text in texts], **options)

    made = Replacing.from_pretrained(ROOT / "data/sample/model")
    assert (
        encode_texts(made, [ONE], 16)["input_ids"]
        == made(ONE, max_length=16, truncation=True)["input_ids"]
    )
