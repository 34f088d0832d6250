"""Which rows data/raw has: filters by length and label."""

from pathlib import Path

import numpy as np
import pytest

from temper import params
from temper.core.errors import InputError
from tests.helpers.downloads import CUT, SINGLE, get, one_file, refused, texts


def test_filters_rows_by_length(write_params, hundred_rows):
    """All texts of a row count, and the summary describes the rows that are left."""
    only = {"min_characters": 10, "max_characters": 50, "applies_to": ["train"]}
    found, summary = get(write_params, **SINGLE, **hundred_rows, data__filter=only)
    lengths = [len(text) for text in found["train"]["text"]]
    assert (min(lengths), max(lengths)) == (10, 50)
    assert summary["filtered"] == {"train": 100 - len(lengths)}
    assert summary["mean_characters"] == round(float(np.mean(lengths)), 1)
    pair = SINGLE | {"task__text": ["text", "author"]}
    found, _ = get(write_params, **pair, **hundred_rows, data__filter=only | {"min_characters": 45})
    assert {len(r["text"] + r["author"]) for r in found["train"]} == set(range(45, 51))


def test_cut_split_is_filtered_only_if_named(write_params, hundred_rows):
    """Otherwise test keeps the rows it has without the filter."""
    plain, _ = get(write_params, **SINGLE, **hundred_rows | {"data__split": CUT})
    only = {"min_characters": 60, "applies_to": ["train"]}
    found, summary = get(
        write_params, **SINGLE, **hundred_rows | {"data__split": CUT}, data__filter=only
    )
    assert texts(found)["test"] == texts(plain)["test"]
    assert texts(found)["train"] == [t for t in texts(plain)["train"] if len(t) >= 60]
    assert list(summary["filtered"]) == ["train"]
    both = only | {"applies_to": ["train", "test"]}
    found, summary = get(
        write_params, **SINGLE, **hundred_rows | {"data__split": CUT}, data__filter=both
    )
    assert texts(found)["test"] == [t for t in texts(plain)["test"] if len(t) >= 60]


def test_filters_rows_by_label(write_params, tmp_path, monkeypatch):
    """A label that is left out stops being one, and ids stand for given names."""
    monkeypatch.chdir(tmp_path)
    changes = {"data__filter": {"labels": ["a", "c"], "applies_to": ["train"]}}
    changes |= one_file("text,label\none,a\ntwo,b\nthree,c\nfour,c\n")
    found, summary = get(write_params, **SINGLE | {"evaluate__positive_label": "a"}, **changes)
    assert texts(found)["train"] == ["one", "three", "four"]
    assert (summary["labels"], summary["filtered"]) == (["a", "c"], {"train": 1})
    assert list(found["train"]["label"]) == [0, 1, 1]
    given = {"task__text": ["text"], "task__labels": ["a", "b", "c"]}
    changes |= one_file("text,label\none,0\ntwo,1\nthree,2\nfour,2\n")
    found, _ = get(write_params, **given, evaluate__positive_label=None, **changes)
    assert list(found["train"]["label"]) == [0, 2, 2]


@pytest.mark.parametrize(
    ("only", "message"),
    [
        (
            {"labels": ["aa"], "applies_to": ["train"]},
            "data.filter.labels: no row has the label 'aa' (did you mean 'a'?); there are a, b",
        ),
        (
            {"min_characters": 1000, "applies_to": ["train"]},
            "data.filter: drops all 100 rows of train",
        ),
        (
            {"min_characters": 1, "applies_to": ["trian"]},
            "data.filter.applies_to: no split 'trian' (did you mean 'train'?); there are train",
        ),
    ],
)
def test_refuses_impossible_filters(write_params, hundred_rows, only, message):
    """They are refused before anything is written."""
    found, said = refused(write_params, **SINGLE, **hundred_rows, data__filter=only)
    assert message in said
    assert any(message in one for one in found)


def test_a_label_left_out_of_train_only_is_an_error(write_params, hundred_rows):
    """Validation would hold a label that was never learned."""
    only = {"labels": ["a"], "applies_to": ["train", "test"]}
    changes = hundred_rows | {"data__split": CUT}
    _, said = refused(write_params, **SINGLE, **changes, data__filter=only)
    assert "validation still has 6 rows with labels that data.filter.labels drops (b)" in said
    assert said.endswith("add validation")


def test_images_cannot_be_filtered_by_length(tmp_path):
    """They have no characters."""
    tree = Path("recipes/sample-image_classification.yaml").read_text()
    only = "data:\n  filter: {max_characters: 3, applies_to: [train]}\n"
    (tmp_path / "params.yaml").write_text(tree.replace("data:\n", only))
    with pytest.raises(InputError, match="for image_classification: images have no characters"):
        params.load(tmp_path / "params.yaml")
