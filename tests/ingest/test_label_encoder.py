"""Labels: ids, names, several and numbers."""

import json
from pathlib import Path

import pytest

from temper.core.errors import InputError
from temper.ingest import label_encoder
from tests.helpers.checks import examine
from tests.helpers.downloads import SINGLE, get, one_file


def test_sorts_numeric_labels_by_value():
    """ "2" is before "10", and given names fix the order."""
    assert label_encoder.order_names(["10", "2", "1"], None) == ["1", "2", "10"]
    assert label_encoder.order_names(["b", "a"], ["b", "a"]) == ["b", "a"]
    assert label_encoder.order_names(["1", "01", "-2"], None) == ["-2", "01", "1"]
    assert label_encoder.order_names(["③", "①", "²"], None) == ["²", "①", "③"]


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


SEVERAL = SINGLE | {
    "task__problem_type": "multi_label_classification",
    "evaluate__positive_label": None,
    "evaluate__threshold": 0.5,
}
ROWS = (["joy", "fear"], [], ["joy"])


@pytest.mark.parametrize(
    ("name", "text", "changes"),
    [
        ("train.csv", "text,label\na,joy|fear\nb,\nc,joy\n", {"task__label_separator": "|"}),
        ("train.csv", 'text,label\na,"[""joy"", ""fear""]"\nb,[]\nc,"[""joy""]"\n', {}),
        ("train.csv", "text,label\na,\"['joy', 'fear']\"\nb,\nc,['joy']\n", {}),
        (
            "train.jsonl",
            "".join(
                json.dumps({"text": "abc"[i], "label": row}) + "\n" for i, row in enumerate(ROWS)
            ),
            {},
        ),
        (
            "train.csv",
            "text,fear,joy\na,1,1\nb,0,0\nc,false,1.0\n",
            {"task__label": ["fear", "joy"]},
        ),
    ],
)
def test_several_labels_have_the_same_ids_however_they_are_written(
    write_params, tmp_path, monkeypatch, name, text, changes
):
    """Strings with a separator, lists in cells, lists, and columns of 0 and 1; none is a list."""
    monkeypatch.chdir(tmp_path)
    found, summary = get(write_params, **SEVERAL, **changes, **one_file(text, name))
    (column,) = set(found["train"].column_names) - {"text"}
    assert found["train"][column] == [[0, 1], [], [1]]
    assert summary["splits"]["train"]["label_counts"] == {"fear": 1, "joy": 2}


def test_columns_of_flags_may_be_absent_or_empty_where_nothing_is_labelled(
    write_params, tmp_path, monkeypatch
):
    """Both test splits are predicted and not scored."""
    monkeypatch.chdir(tmp_path)
    one_file("text,fear,joy\na,1,1\nb,0,1\n")
    for columns in ("text\ne\n", "text,fear,joy\ne,-1,-1\n"):
        Path("test.csv").write_text(columns)
        files = {"data__files": {"train": "train.csv", "test": "test.csv"}}
        changes = {"task__label": ["fear", "joy"], **files}
        found, summary = get(write_params, **SEVERAL, **changes)
        assert found["test"]["labels"] == [None]
        assert summary["splits"]["test"]["labelled"] is False


def test_minus_one_is_a_label_where_the_parameters_name_it(write_params, tmp_path, monkeypatch):
    """Elsewhere it stands for no label."""
    monkeypatch.chdir(tmp_path)
    changes = {"task__labels": ["-1", "0", "1"], "evaluate__positive_label": None}
    data = one_file("text,label\na,-1\nb,0\nc,1\nd,-1\n")
    found, summary = get(write_params, **SINGLE | changes, **data)
    assert found["train"]["label"] == [0, 1, 2, 0]
    assert summary["splits"]["train"]["label_counts"] == {"-1": 2, "0": 1, "1": 1}


def test_check_says_which_name_an_id_has(write_params, tmp_path, monkeypatch):
    """0 and 1 of the data could be meant the other way around."""
    monkeypatch.chdir(tmp_path)
    changes = SINGLE | {"task__labels": ["no", "yes"], "evaluate__positive_label": "yes"}
    _, facts = examine(write_params, **changes, **one_file("text,label\na,0\nb,1\nc,1\n"))
    assert facts["label ids"] == "0 → no, 1 → yes"
    assert facts["labels"] == "no 1, yes 2"


def test_regression_labels_are_numbers(write_params, tmp_path, monkeypatch):
    """-1 is a value there."""
    monkeypatch.chdir(tmp_path)
    changes = SINGLE | {"task__problem_type": "regression", "evaluate__positive_label": None}
    found, _ = get(write_params, **changes, **one_file("text,label\na,-1\nb,2.5\n"))
    assert found["train"]["label"] == [-1.0, 2.5]


def test_marks_a_split_without_labels(write_params, tmp_path, monkeypatch):
    """It is predicted later and never scored."""
    monkeypatch.chdir(tmp_path)
    one_file("text,label\na,a\nb,b\nc,a\nd,b\n")
    Path("test.csv").write_text("text,label\ne,-1\nf,-1\n")
    changes = {"data__files": {"train": "train.csv", "test": "test.csv", "validation": "train.csv"}}
    found, summary = get(write_params, **SINGLE, **changes)
    assert found["test"]["label"] == [-1, -1]
    assert summary["splits"]["test"]["labelled"] is False
