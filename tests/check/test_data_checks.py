"""What `temper check` reads in the data: files, rows, splits and labels."""

from pathlib import Path

import pytest

from temper.cli import check
from temper.core.errors import InputError
from tests.helpers.checks import examine, line_of, only
from tests.helpers.downloads import CUT, FOLD, SINGLE, get, one_file

CLASS, LABELS = "single_label_classification", "multi_label_classification"


def test_counts_the_rows_that_download_writes(write_params, hundred_rows):
    """Rows by split are those after filters, subsets and folds."""
    changes = SINGLE | hundred_rows | {"data__split": CUT | {"validation": 0.0}, "data__fold": FOLD}
    changes |= {"data__subset": {"train": 30}, "data__filter": {"min_characters": 3}}
    changes["data__filter"] |= {"applies_to": ["train", "validation", "test"]}
    parameters = write_params(**changes)
    Path("dvc.yaml").write_text("stages: {}\n")
    found, facts = check.examine(parameters)
    assert found == []
    written, summary = get(write_params, **changes)
    for name, part in written.items():
        assert f"{name} {len(part)} rows" in facts["data"]
    dropped = summary["filtered"]
    assert sum(dropped.values()) == 2
    assert facts["filter"] == "drops " + ", ".join(f"{n} of {s}" for s, n in dropped.items())


def test_names_the_row_of_the_file_when_the_split_is_cut(write_params, hundred_rows):
    """A label that is not a number is named by its row in the file, not in the split."""
    task = SINGLE | {"task__problem_type": "regression", "evaluate__positive_label": None}
    text = "text,label\n" + "".join(f"row {i},{i}\n" for i in range(20)) + "last,many\n"
    with pytest.raises(InputError, match="train row 21, column 'label': 'many' is not a number"):
        get(write_params, **task, **one_file(text) | {"data__split": CUT})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sentence1,sentence2,label\n", "train has no rows"),
        ("sentence1,sentence2,label\na,b,equivalent\na,c,\n", "row 2, column 'label': no label"),
        ("sentence1,sentence2,label\na,b,\na,c,-1\n", "has no labels; all are empty"),
        ("sentence1,sentence2,label\na,b,equivalent\n", "validation has labels that train lacks"),
        ("sentence1,sentence1,label\na,b,equivalent\n", "own.csv:1: duplicate column name"),
    ],
)
def test_names_broken_training_files(write_params, write_csv, text, message):
    """Empty, cut off, half-labelled and unlabelled files are named."""
    files = {"train": "own.csv", "validation": "tests/data/validation.csv"}
    changes = {"data__files": files, "task__labels": ["not_equivalent", "equivalent"]}
    write_params()
    write_csv("own.csv", text)
    found, _ = examine(write_params, **changes)
    assert message in found[0]
    assert "own.csv" in found[0] or "validation.csv" in found[0]


def test_checks_every_label_of_a_regression(write_params, write_csv):
    """A label that is not a number is named, and so are loss options that are for classes."""
    write_params()
    write_csv("own.csv", "sentence1,label\na,1.5\nb,-1\nc,high\n")
    task = {"problem_type": "regression", "text": ["sentence1"], "labels": None}
    changes = {f"task__{key}": value for key, value in task.items()}
    changes |= {"data__files": {"train": "own.csv"}, "train__metric_for_best_model": "mse"}
    changes |= {"evaluate__positive_label": None}
    for name, value in (("class_weights", "balanced"), ("label_smoothing", 0.1)):
        with pytest.raises(InputError, match=rf"train\.{name}: {value!r} is about classes"):
            examine(write_params, **changes | {f"train__{name}": value})
    found, _ = examine(write_params, **changes)
    assert "own.csv: train row 3, column 'label': 'high' is not a number" in only(found)
    write_csv("own.csv", "sentence1,label\na,1.5\nb,-1\nc,3\n" + "d,4\n" * 17)
    found, facts = examine(write_params, **changes)
    assert found == []
    assert facts["data"].startswith("train 16 rows, validation 2 rows (split from train)")


def test_rows_in_two_splits_are_an_error_where_data_overlap_says_so(write_params, write_csv):
    """What drop_from_train removes is not counted."""
    write_params()
    rows = [f"a{i},b,{'equivalent' if i % 2 else 'not_equivalent'}\n" for i in range(10)]
    write_csv("one.csv", "sentence1,sentence2,label\n" + "".join(rows))
    write_csv("two.csv", "sentence1,sentence2,label\n" + "".join(rows[:3]))
    files = {"data__files": {"train": "one.csv", "validation": "two.csv", "test": "two.csv"}}
    found, _ = examine(write_params, **files, data__overlap="error")
    assert "data.overlap: 3 rows of train in validation" in only(found)
    _, facts = examine(write_params, **files, data__overlap="drop_from_train")
    assert facts["data"].startswith("train 7 rows, validation 3 rows")
    assert facts["overlap"] == "3 rows of validation are in test too"
    _, facts = examine(write_params, **files, data__overlap="report")
    assert facts["overlap"].splitlines() == [
        "3 rows of train are in validation too; data.overlap: drop_from_train drops them",
        "3 rows of train are in test too; data.overlap: drop_from_train drops them",
        "3 rows of validation are in test too",
    ]


@pytest.mark.parametrize(
    ("problem_type", "metric", "train", "validation", "reason"),
    [
        (CLASS, "f1", "ab", "aa", "no row has the label b"),
        (CLASS, "mcc", "01", "00", "all rows have the label 0"),
        (CLASS, "f1", "ab", "ab", None),
        (LABELS, "roc_auc", "ab", "aa", "every label is in all rows or in none"),
        (LABELS, "roc_auc", "ab", "ab", None),
        ("regression", "pearson", "12", "11", "all rows have the same number"),
        ("regression", "spearman", "11", None, "all rows have the same number"),
        ("regression", "pearson", "12", None, None),
    ],
)
def test_a_best_metric_that_validation_cannot_have(
    write_params, write_csv, problem_type, metric, train, validation, reason
):
    """As training would refuse it; of numbers cut from train only where none of them differ."""
    write_params()
    files = {"train": "train.csv"} | ({"validation": "validation.csv"} if validation else {})
    for name, labels in (("train", train * 10), ("validation", validation or "")):
        rows = "".join(f"{name} {i},{label}\n" for i, label in enumerate(labels))
        write_csv(f"{name}.csv", f"text,label\n{rows}")
    changes: dict = {"task__text": ["text"], "task__labels": None, "data__files": files}
    changes |= {"task__problem_type": problem_type, "train__metric_for_best_model": metric}
    changes |= {"evaluate__positive_label": train[-1] if problem_type == CLASS else None}
    if problem_type == LABELS:
        changes |= {"evaluate__threshold": 0.5, "task__label_separator": "|"}
    found, _ = examine(write_params, **changes)
    if reason is None:
        assert found == []
    else:
        place = f"params.yaml:{line_of('metric_for_best_model')}: train.metric_for_best_model"
        assert only(found).startswith(
            f"{place}: {metric} says nothing on validation, where {reason}:"
        )


def test_a_subset_of_validation_that_lacks_the_positive_label(write_params, write_csv):
    """Of the rows that are left, not of those in the file."""
    write_params()
    write_csv("train.csv", "text,label\n" + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(20)))
    write_csv("more.csv", "text,label\n" + "".join(f"more {i},{'aaab'[i % 4]}\n" for i in range(8)))
    files = {"train": "train.csv", "validation": "more.csv"}
    changes = SINGLE | {"data__files": files, "evaluate__positive_label": "b"}
    changes |= {"train__metric_for_best_model": "f1"}
    assert examine(write_params, **changes)[0] == []
    found, _ = examine(write_params, **changes, data__subset={"validation": 1})
    assert "f1 says nothing on validation, where no row has the label b" in only(found)


def test_counts_label_ids_by_name(write_params, write_csv):
    """With task.labels given, 0 and 1 are ids; an unlabelled split is reported as such."""
    write_params()
    write_csv("one.csv", "sentence1,sentence2,label\na,b,0\na,c,1\na,d,1\na,e,1\n")
    write_csv("test.csv", "sentence1,sentence2\na,z\n")
    files = {"train": "one.csv", "validation": "one.csv", "test": "test.csv"}
    found, facts = examine(write_params, data__files=files)
    assert found == []
    assert facts["labels"] == "not_equivalent 1, equivalent 3"
    assert facts["data"].endswith("test 1 rows (no labels: predicted, not scored)")


def test_an_empty_cell_is_none_of_several_labels(write_params, write_csv):
    """As null, which Excel has in it; the rows are counted. A split of them has no labels."""
    write_params()
    write_csv("own.csv", 'text,label\na,"joy, fear"\nb,\nc,joy\nd,\n')
    Path("nulls.jsonl").write_text('{"text": "a", "label": null}\n{"text": "b", "label": "joy"}\n')
    Path("none.jsonl").write_text('{"text": "a", "label": null}\n')
    files = {"train": "own.csv", "validation": "nulls.jsonl", "test": "none.jsonl"}
    task = {"text": ["text"], "labels": None, "label_separator": ","}
    task["problem_type"] = "multi_label_classification"
    changes = {f"task__{key}": value for key, value in task.items()}
    changes |= {"evaluate__positive_label": None, "evaluate__threshold": 0.5}
    found, facts = examine(write_params, data__files=files, **changes)
    assert found == []
    assert facts["labels"] == "fear 1, joy 2"
    empty = "rows have none of the labels: their cell is empty"
    assert facts["files"] == f"train: 2 {empty}\nvalidation: 1 {empty}"
    assert facts["data"].endswith("test 1 rows (no labels: predicted, not scored)")


def test_names_label_columns_that_are_all_empty(write_params, write_csv):
    """Where each label has a column of 0 and 1."""
    write_params()
    write_csv("own.csv", "text,joy,fear\n" + "".join(f"row {i},,\n" for i in range(20)))
    task = {"text": ["text"], "labels": None, "label": ["joy", "fear"]}
    task["problem_type"] = "multi_label_classification"
    changes = {f"task__{key}": value for key, value in task.items()}
    changes |= {"evaluate__positive_label": None, "evaluate__threshold": 0.5}
    found, _ = examine(write_params, data__files={"train": "own.csv"}, **changes)
    message = "task.label: column 'joy, fear' of own.csv has no labels; all are empty"
    assert any(message in mistake for mistake in found), found
