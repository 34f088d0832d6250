"""Columns are renamed before anything else reads them."""

import re
from pathlib import Path

import pytest

from temper.core.errors import InputError
from temper.ingest import columns
from tests.helpers.downloads import NO_CUT, SINGLE, get, one_file, refused, texts


def test_columns_are_renamed_before_all_else(write_params, tmp_path, monkeypatch):
    """Two names can change places; a split without labels needs no column for them."""
    monkeypatch.chdir(tmp_path)
    one_file("body,stars,text\none,a,old\ntwo,b,old\n")
    Path("test.csv").write_text("body,text\nthree,old\n")
    changes = {"data__files": {"train": "train.csv", "test": "test.csv"}, "data__split": NO_CUT}
    renames = {"data__rename": {"body": "text", "text": "body", "stars": "label"}}
    found, summary = get(write_params, **SINGLE, **changes, **renames, data__extra_columns=["body"])
    assert texts(found) == {"train": ["one", "two"], "test": ["three"]}
    assert list(found["train"]["body"]) == ["old", "old"]
    assert summary["splits"]["test"]["labelled"] is False


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            {"txt": "sentence"},
            "data.rename: train has no column 'txt' (did you mean 'text'?); it has text, label",
        ),
        (
            {"author": "text"},
            "data.rename: train already has a column 'text'; give 'author' another name",
        ),
    ],
)
def test_names_that_cannot_be(write_params, hundred_rows, names, message):
    """Named by both the check and the stage."""
    found, said = refused(write_params, **SINGLE, **hundred_rows, data__rename=names)
    assert message in said
    assert any(re.match(r"params\.yaml:\d+: " + re.escape(message), one) for one in found)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("texts", 5, "expected a list of strings"),
        ("texts", "[broken", "found '\\[broken'"),
        ("image", b"no image", "no image that Pillow knows"),
        ("image", "cat.png", "expected the bytes of an image"),
        ("index", "two", "found 'two'"),
        ("answers", {"text": ["a"], "answer_start": []}, "different lengths"),
    ],
)
def test_a_value_of_another_kind_is_named(kind, value, message):
    """With the place, what was found, and no traceback of a library."""
    with pytest.raises(InputError, match=message) as caught:
        columns.convert([value], kind, lambda i: f"train row {i + 1}, column 'x'")
    assert str(caught.value).startswith("train row 1, column 'x': ")
