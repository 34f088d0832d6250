"""The list names each doubtful row's place, its columns and a likelier label."""

from pathlib import Path

import pytest

from temper.core.errors import InputError
from temper.data_loop import doubt_list
from temper.data_loop.corrections import CORRECTED
from tests.data_loop.reviews import WORDS, listed, rows_with_mistakes, sentences
from tests.helpers.tables import read_csv, write_csv


def test_wrong_labels_are_first_with_their_line_and_their_columns(project, tmp_path):
    """`row` counts rows and `line` lines, of which the file has one more at the top."""
    parameters = project(files={"train": "x.csv"})
    write_csv("x.csv", [row | {"score": "7"} for row in rows_with_mistakes()])
    found = listed(parameters)
    assert [row.place.row for row in found.rows[:2]] in ([11, 62], [62, 11])
    assert found.num_rows == 80
    assert 1 <= found.expected <= 4
    doubt_list.write(found.rows, Path("doubts.csv"))
    first = read_csv("doubts.csv")[0]
    row = rows_with_mistakes()[int(first["row"]) - 1]
    assert first["text"] == row["text"]
    assert first["current_label"] == row["label"]
    assert first["suggested_label"] == {"good": "bad", "bad": "good"}[row["label"]]
    assert (first["file"], int(first["line"])) == ("x.csv", int(first["row"]) + 1)
    assert first["data_score"] == "7"  # the list has a column of this name
    assert float(first["score"]) < 0
    assert first[CORRECTED] == ""
    assert len(listed(parameters, limit=1).rows) == 1
    assert not list(Path("data").glob("tmp*"))


def test_near_duplicates_with_other_labels_are_listed_with_their_place(project):
    """Within train and across splits; equal labels are no conflict."""
    rows = [{"text": text, "label": label} for label in WORDS for text in sentences(label, 40)]
    text = "The parcel from the shop arrived two days late, and the box was open at one side"
    train = [*rows, {"text": text + ".", "label": "good"}, {"text": text + "!", "label": "good"}]
    write_csv("x.csv", train)
    write_csv("y.csv", [{"text": text.upper(), "label": "bad"}, rows[3]])
    parameters = project(files={"train": "x.csv", "test": "y.csv"})
    found = {row.place.row: row for row in listed(parameters).rows}
    for number in (81, 82):
        assert "near-duplicate (1.00) of y.csv:2 in test, which is bad" in found[number].reason
    assert 4 not in found  # it is in test with the same label


def test_a_task_without_labels_of_rows_is_refused(write_params):
    parameters = write_params(task__problem_type="regression", task__labels=None,
                              train__metric_for_best_model="loss",
                              evaluate__positive_label=None)  # fmt: skip
    with pytest.raises(InputError, match=r"\(regression\): temper doubts is for labels"):
        listed(parameters)


def test_probabilities_in_place_of_labels_are_refused(project):
    columns = {"label": None, "label_probabilities": {"good": "g", "bad": "b"}}
    positive = {"evaluate__positive_label": "good"}
    parameters = project(columns, positive, files={"train": "x.csv"})
    with pytest.raises(InputError, match=r"task\.label_probabilities: temper doubts is for labels"):
        listed(parameters)


def test_fewer_rows_than_folds_are_refused(project):
    write_csv("x.csv", rows_with_mistakes()[38:42])
    with pytest.raises(InputError, match="--folds 5: train has 4 rows; use fewer folds"):
        listed(project(files={"train": "x.csv"}))


def test_rows_that_all_hang_together_are_divided_all_the_same(project):
    """Each differs from the next by a letter; equal rows stay in one fold."""
    rows = [{"text": "x" * i + "y" * (59 - i), "label": "good"} for i in range(60)]
    rows = [row | {"label": "bad"} if i % 3 else row for i, row in enumerate(rows)]
    write_csv("x.csv", rows)
    notes: list[str] = []
    found = doubt_list.find(
        project(files={"train": "x.csv"}),
        notes.append,
        judge="linear",
        folds=5,
        similarity=0.5,
        limit=None,
    )
    assert found.num_rows == 60
    assert "60 of 60 rows are near-duplicates one of another, more than a fold holds" in notes[-1]


def test_fewer_rows_that_differ_than_folds_are_refused(project):
    write_csv("x.csv", [{"text": "same", "label": label} for label in ("good", "bad") * 10])
    with pytest.raises(InputError, match="--folds 5: only 1 rows of train differ; use fewer"):
        listed(project(files={"train": "x.csv"}))


def test_without_the_model_it_says_what_to_run(project):
    write_csv("x.csv", rows_with_mistakes())
    parameters = project(files={"train": "x.csv"})
    Path("data/base/summary.json").write_text('{"name": "other", "from_scratch": true}')
    with pytest.raises(InputError, match=r"data/base is other, but model\.name is sample; run dvc"):
        listed(parameters)
    Path("data/base/summary.json").unlink()
    with pytest.raises(InputError, match="data/base is missing; run dvc repro download@model"):
        listed(parameters)
