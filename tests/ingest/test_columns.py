"""Columns are renamed before anything else reads them."""

import re
from pathlib import Path

import pytest

from temper.core.errors import InputError
from temper.ingest import columns
from tests.helpers.downloads import NO_CUT, SINGLE, get, one_file, refused, texts


def test_renames_columns_first(write_params, tmp_path, monkeypatch):
    """Two names can be swapped, and a split without labels needs no label column."""
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
            "data.rename: train has no column 'txt' (did you mean 'text'?); there are text, label",
        ),
        (
            {"author": "text"},
            "data.rename: train already has a column 'text'; give 'author' another name",
        ),
    ],
)
def test_refuses_impossible_renames(write_params, hundred_rows, names, message):
    """Both the check and the stage name them."""
    found, said = refused(write_params, **SINGLE, **hundred_rows, data__rename=names)
    assert message in said
    assert any(re.match(r"params\.yaml:\d+: " + re.escape(message), one) for one in found)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("texts", 5, "expected a list of strings"),
        pytest.param("texts", "[" * 100_000, "expected a list such as", id="deep"),
        ("text", ["a"], "expected a text, not a list"),
        ("text", {"en": "a"}, "expected a text, not a dict"),
        ("text", b"a", "expected a text, not a bytes"),
        ("text", float("nan"), "a missing text is null"),
        ("texts", '["\\ud800"]', "surrogates not allowed"),
        ("texts", "[broken", "found '\\[broken'"),
        ("image", b"no image", "not an image format that Pillow can read"),
        ("image", "cat.png", "expected the bytes of an image"),
        ("index", "two", "found 'two'"),
        ("text", {"path": "x"}, "not a dict; found {'path': 'x'}"),
        ("text", {"path": 3, "bytes": b"x"}, "not a dict; found"),
        ("answers", {"text": ["a"], "answer_start": []}, "different lengths"),
    ],
)
def test_names_a_value_of_the_wrong_type(kind, value, message):
    """The error has the place and the value, and no traceback of a library."""
    with pytest.raises(InputError, match=message) as caught:
        columns.convert([value], kind, lambda i: f"train row {i + 1}, column 'x'")
    assert str(caught.value).startswith("train row 1, column 'x': ")
