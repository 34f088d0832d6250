"""The list names each doubtful row's place, and corrections change those labels in a copy alone."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from temper.core.errors import InputError
from temper.data_loop import corrections, doubt_list, source_rows
from temper.data_loop.corrections import CORRECTED

WORDS = {"good": "fine lovely splendid charming", "bad": "awful dreary dismal tedious"}
TASK = {"name": "sequence_classification", "problem_type": "single_label_classification",
        "text": ["text"], "label": "label"}  # fmt: skip


def sentences(label: str, count: int) -> list[str]:
    words = WORDS[label].split()
    return [f"Number {i} was {words[i % 4]} and {words[(i // 4 + 1) % 4]}." for i in range(count)]


def rows_with_mistakes() -> list[dict[str, str]]:
    """Return 80 rows; the labels of rows 10 and 61 are swapped."""
    rows = [{"text": text, "label": label} for label in WORDS for text in sentences(label, 40)]
    rows[10]["label"], rows[61]["label"] = "bad", "good"
    return rows


@pytest.fixture
def project(write_params, tmp_path, monkeypatch):
    """Return a function that writes params.yaml for files, and a data/base without weights."""

    monkeypatch.chdir(tmp_path)

    def make(task=None, changes=None, **data):
        task = task or {}
        parameters = write_params(
            task=task if "name" in task else TASK | task,
            data={"source": "files", "split": {"validation": 0, "test": 0, "seed": 7}} | data,
            **{"evaluate__positive_label": None} | (changes or {}),
        )
        Path("data/base").mkdir(parents=True, exist_ok=True)
        summary = {"name": "sample", "from_scratch": True}
        Path("data/base/summary.json").write_text(json.dumps(summary))
        return parameters

    return make


def write_csv(path: str, rows: list[dict[str, str]], **style) -> None:
    with Path(path).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), **style)
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def listed(parameters, limit=None, similarity=None):
    return doubt_list.find(parameters, str, folds=5, similarity=similarity, limit=limit)


def correct(found, labels, target="doubts.csv", **changes):
    """Write the list with corrected labels by row number of the file, and other cells changed."""
    doubt_list.write(found.rows, Path(target))
    rows = read_csv(target)
    for row in rows:
        row[CORRECTED] = labels.get(int(row["row"]), "")
        row.update(changes if row[CORRECTED] else {})
    write_csv(target, rows)
    return Path(target)


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


def test_corrections_go_into_a_copy(project):
    """Two labels differ, whatever else is in the file; the file itself stays."""
    parameters = project(
        files={"train": "x.csv"}, rename={"Review": "text"}, task={"label": "label"}
    )
    rows = [
        {"id": "1", "Review": row["text"], "label": row["label"]} for row in rows_with_mistakes()
    ]
    write_csv("x.csv", rows, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    before = Path("x.csv").read_bytes()
    path = correct(listed(parameters), {11: "good", 62: "bad"})
    targets = corrections.apply(parameters, path)
    assert targets == {"train": Path("x.corrected.csv")}
    lines, changed = before.splitlines(), Path("x.corrected.csv").read_bytes().splitlines()
    assert [i for i in range(81) if lines[i] != changed[i]] == [11, 62]
    assert changed[11] == lines[11].replace(b'"bad"', b'"good"')
    assert Path("x.csv").read_bytes() == before
    with pytest.raises(InputError, match=r"x\.corrected\.csv is there already; remove it"):
        corrections.apply(parameters, path)


def test_splits_that_are_cut_from_train_stay_as_they_are(project):
    """Else other labels would cut other rows, and nothing could be compared."""
    write_csv("x.csv", rows_with_mistakes())
    split = {"validation": 0.2, "test": 0.2, "seed": 7}
    parameters = project(files={"train": "x.csv"}, split=split)
    with source_rows.open_rows(parameters, str) as rows:
        expected = {str(name): part["text"][:] for name, part in rows.splits.items()}
    found = listed(parameters)
    number = found.rows[0].place.row
    label = rows_with_mistakes()[number - 1]["label"]
    other = {"good": "bad", "bad": "good"}[label]
    targets = corrections.apply(parameters, correct(found, {number: other}))
    assert {name: str(path) for name, path in targets.items()} == {
        name: f"x.{name}.csv" for name in ("train", "validation", "test")
    }
    written = {name: read_csv(path) for name, path in targets.items()}
    assert {name: [row["text"] for row in part] for name, part in written.items()} == expected
    changes = [row for part in written.values() for row in part if row not in rows_with_mistakes()]
    assert changes == [rows_with_mistakes()[number - 1] | {"label": other}]


@pytest.mark.parametrize(
    ("labels", "changes", "message"),
    [
        ({}, {}, "its column corrected_label is empty"),
        ({11: "goood"}, {}, r"row \d+: corrected_label 'goood' is no label .*did you mean 'good'"),
        (
            {11: "good"},
            {"current_label": "good"},
            "row 11 has the label 'bad' and not 'good'",
        ),
        ({11: "good"}, {"row": "999"}, "train has no x.csv row 999; was the file changed"),
        ({11: "good", 62: "bad"}, {"row": "11"}, "x.csv row 11 is also in"),
        ({11: "good"}, {"row": "eleven"}, "row 'eleven': no number"),
    ],
)
def test_a_list_with_a_mistake_changes_nothing(project, labels, changes, message):
    parameters = project(files={"train": "x.csv"})
    write_csv("x.csv", rows_with_mistakes())
    path = correct(listed(parameters), labels, **changes)
    with pytest.raises(InputError, match=message):
        corrections.apply(parameters, path)
    assert not Path("x.corrected.csv").exists()


@pytest.mark.parametrize(
    ("task", "write", "wrong", "right"),
    [
        ({"label": ["good", "bad"]}, lambda n: {"good": n == "good", "bad": n == "bad"},
         {"good": True, "bad": True}, "bad"),
        ({"label_separator": "|"}, lambda n: {"label": n}, {"label": "bad|good"}, "bad"),
        ({}, lambda n: {"label": [n]}, {"label": ["bad", "good"]}, "bad"),
    ],
)  # fmt: skip
def test_several_labels_are_listed_and_corrected_in_their_form(project, task, write, wrong, right):
    """Flags, a text with a separator, and lists."""
    texts = [(name, text) for name in WORDS for text in sentences(name, 40)]
    rows = [{"text": text} | write(name) for name, text in texts]
    rows[50] |= wrong
    Path("x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    several = {"problem_type": "multi_label_classification"}
    threshold = {"evaluate__threshold": 0.5}
    parameters = project(several | task, threshold, files={"train": "x.jsonl"})
    found = listed(parameters)
    first = found.rows[0]
    assert (first.place.row, first.line) == (51, 51)
    assert sorted(first.current.split("|")) == ["bad", "good"]
    assert first.suggested == right
    corrections.apply(parameters, correct(found, {51: right}))
    fixed = [json.loads(line) for line in Path("x.corrected.jsonl").read_text().splitlines()]
    assert fixed == [*rows[:50], {"text": rows[50]["text"]} | write("bad"), *rows[51:]]


def test_labels_that_are_ids_in_the_file_are_ids_in_the_list(project):
    rows = [row | {"label": ["bad", "good"].index(row["label"])} for row in rows_with_mistakes()]
    Path("x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    positive = {"evaluate__positive_label": "good"}
    parameters = project({"labels": ["bad", "good"]}, positive, files={"train": "x.jsonl"})
    found = listed(parameters)
    by_row = {row.place.row: (row.current, row.suggested) for row in found.rows}
    assert by_row[11] == ("0", "1")
    corrections.apply(parameters, correct(found, {11: "1"}))
    line = Path("x.corrected.jsonl").read_text().splitlines()[10]
    assert json.loads(line) == rows[10] | {"label": 1}


def test_a_corrected_image_is_in_the_folder_of_its_label(project, monkeypatch):
    """Images are judged by their pixels where the model starts from scratch."""
    colours = {"red": (220, 30, 30), "blue": (30, 30, 220)}
    for name, (r, g, b) in colours.items():
        Path("photos", name).mkdir(parents=True)
        for i in range(20):
            image = Image.new("RGB", (8, 8), (r + i, g + i, b + i))
            image.putpixel((i % 8, i // 8), (0, 255, 0))
            image.save(f"photos/{name}/{name}-{i:02}.png")
    Path("photos/red/red-03.png").rename("photos/blue/red-03.png")
    task = {"name": "image_classification", "image": "image", "label": "label"}
    without_texts = {"synonym_files": {}, "translators": {}}
    changes = {"tokenize": without_texts, "train__bucket_window": None}
    parameters = project(task, changes, files={"train": "photos"}, glob="*/*")
    monkeypatch.setattr("temper.data_loop.vectors.of_splits", thumbnails)
    found = listed(parameters)
    assert (found.rows[0].place.file, found.rows[0].suggested) == ("photos/blue/red-03.png", "red")
    doubt_list.write(found.rows[:1], Path("doubts.csv"))
    write_csv("doubts.csv", [read_csv("doubts.csv")[0] | {CORRECTED: "red"}])
    corrections.apply(parameters, Path("doubts.csv"))
    assert Path("photos.corrected/red/red-03.png").read_bytes()
    assert len(list(Path("photos.corrected").rglob("*.png"))) == 40
    assert len(list(Path("photos").rglob("*.png"))) == 40


def thumbnails(parameters, splits):
    """Stand in for the vectors of a model whose image processor the test has not."""
    import numpy as np

    from temper.data_loop.vectors import thumbnail

    return [np.stack([thumbnail(data) for data in split["image"]]) for split in splits], "pixels"


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


def test_without_the_model_it_says_what_to_run(project):
    write_csv("x.csv", rows_with_mistakes())
    parameters = project(files={"train": "x.csv"})
    Path("data/base/summary.json").write_text('{"name": "other", "from_scratch": true}')
    with pytest.raises(InputError, match=r"data/base is other, but model\.name is sample; run dvc"):
        listed(parameters)
    Path("data/base/summary.json").unlink()
    with pytest.raises(InputError, match="data/base is missing; run dvc repro download@model"):
        listed(parameters)
