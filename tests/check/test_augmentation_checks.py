"""Augmentation is checked before anything runs."""

from pathlib import Path

import pytest

from temper.cli import check
from temper.core.errors import InputError
from tests.helpers.augmentation import BACK, HALF, augment


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augment": augment()}, "augment names no method; there are synonyms, swap, delete"),
        ({"augment": augment(swap=HALF | {"rate": 0})}, "greater than 0"),
        ({"augment": augment(swap=HALF | {"share": 1.5})}, "less than or equal to 1"),
        ({"augment": augment(swap={"rate": 1.0})}, "tokenize.augment.swap.share: missing"),
        ({"augment": augment(swop=HALF)}, "unknown key (did you mean 'swap'?)"),
        ({"augment": {"swap": HALF}}, "tokenize.augment.seed: missing"),
        (
            {
                "augment": augment(synonyms=HALF | {"file": "min"}),
                "synonym_files": {"mine": "words.tsv"},
            },
            "augment.synonyms.file is 'min', which tokenize.synonym_files does not name (did you "
            "mean 'mine'?): it has mine",
        ),
        (
            {"augment": augment(back_translation=BACK)},
            "augment.back_translation.there is 'there', which tokenize.translators does not name: "
            "it is {}",
        ),
        ({"augment": augment(back_translation=BACK | {"rate": 2})}, "less than or equal to 1"),
        (
            {"augment": augment(back_translation=BACK | {"source_lang": "en"})},
            "target_lang is missing and the other language is given",
        ),
    ],
)
def test_names_mistakes_of_the_augment_group(write_params, changes, message):
    """Each mistake is named with its key before anything runs."""
    with pytest.raises(InputError) as caught:
        write_params(**{f"tokenize__{name}": value for name, value in changes.items()})
    assert message in str(caught.value)


def test_reads_the_word_list_and_counts_augmented_rows(write_params):
    """`temper check` names the malformed line, and its steps are those of the longer split."""
    write_params()
    Path("words.tsv").write_text("red\tcrimson\nold aged\n")
    parameters = write_params(
        tokenize__synonym_files={"mine": "words.tsv"},
        tokenize__augment=augment(synonyms={"rate": 1.0, "share": 0.1, "file": "mine"}, swap=HALF),
    )
    Path("dvc.yaml").write_text("stages: {}\n")
    (mistake,), facts = check.examine(parameters)
    assert (
        "tokenize.synonym_files.mine: words.tsv:2: expected word<TAB>synonym1,synonym2" in mistake
    )
    assert facts["steps"] == "about 15 per epoch, about 30 in total"


def test_names_a_translator_that_cannot_be_loaded(write_params):
    """A local folder without safetensors is named."""
    parameters = write_params(tokenize__translators={"there": {"name": "sample", "revision": None}})
    Path("dvc.yaml").write_text("stages: {}\n")
    (mistake,), _ = check.examine(parameters)
    assert "weights must be safetensors, found none in data/sample/model" in mistake
