"""Labels: ids, names, several and numbers."""

import json
from pathlib import Path

import pytest

from temper.core.errors import InputError
from temper.ingest import labels
from tests.helpers.downloads import SINGLE, get, one_file


def test_sorts_numeric_labels_by_value():
    """ "2" is before "10", and given names fix the order."""
    assert labels.order_names(["10", "2", "1"], None) == ["1", "2", "10"]
    assert labels.order_names(["b", "a"], ["b", "a"]) == ["b", "a"]


def test_integers_are_positions_in_given_names(write_params, tmp_path, monkeypatch):
    """With labels [no, yes], 0 and 1 are ids, as in a Hub data set."""
    monkeypatch.chdir(tmp_path)
    changes = SINGLE | {"task__labels": ["no", "yes"], "evaluate__positive_label": "yes"}
    found, summary = get(write_params, **changes, **one_file("text,label\na,0\nb,1\nc,1\n"))
    assert found["train"]["label"] == [0, 1, 1]
    assert summary["splits"]["train"]["label_counts"] == {"no": 1, "yes": 2}


def test_names_an_unknown_label_and_the_nearest(write_params, tmp_path, monkeypatch):
    """A typing mistake in task.labels becomes an error."""
    monkeypatch.chdir(tmp_path)
    changes = SINGLE | {"task__labels": ["good", "bad"], "evaluate__positive_label": "bad"}
    with pytest.raises(InputError, match=r"'goood', which task.labels lacks \(did you mean 'good'"):
        get(write_params, **changes, **one_file("text,label\na,goood\nb,bad\n"))


def test_multi_label_strings_and_lists_give_the_same_ids(write_params, tmp_path, monkeypatch):
    """A row without labels is an empty list."""
    monkeypatch.chdir(tmp_path)
    changes = SINGLE | {
        "task__problem_type": "multi_label_classification",
        "evaluate__positive_label": None,
        "evaluate__threshold": 0.5,
        "task__label_separator": "|",
    }
    strings, _ = get(write_params, **changes, **one_file("text,label\na,joy|fear\nb,joy\n"))
    lists = [{"text": "a", "label": ["joy", "fear"]}, {"text": "b", "label": ["joy"]}]
    text = "".join(json.dumps(row) + "\n" for row in lists)
    other, _ = get(write_params, **changes, **one_file(text, "train.jsonl"))
    assert strings["train"]["label"] == other["train"]["label"] == [[0, 1], [1]]


def test_regression_labels_are_numbers(write_params, tmp_path, monkeypatch):
    """-1 is a value there, and a word is an error with its row."""
    monkeypatch.chdir(tmp_path)
    changes = SINGLE | {"task__problem_type": "regression", "evaluate__positive_label": None}
    found, _ = get(write_params, **changes, **one_file("text,label\na,-1\nb,2.5\n"))
    assert found["train"]["label"] == [-1.0, 2.5]
    with pytest.raises(InputError, match="train row 2, column 'label': 'many' is not a number"):
        get(write_params, **changes, **one_file("text,label\na,1\nb,many\n"))


def test_marks_a_split_without_labels(write_params, tmp_path, monkeypatch):
    """It is predicted later and never scored."""
    monkeypatch.chdir(tmp_path)
    one_file("text,label\na,a\nb,b\nc,a\nd,b\n")
    Path("test.csv").write_text("text,label\ne,-1\nf,-1\n")
    changes = {"data__files": {"train": "train.csv", "test": "test.csv", "validation": "train.csv"}}
    found, summary = get(write_params, **SINGLE, **changes)
    assert found["test"]["label"] == [-1, -1]
    assert summary["splits"]["test"]["labelled"] is False
