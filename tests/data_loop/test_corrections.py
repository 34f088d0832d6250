"""Corrections change those labels in a copy of the data, and nothing else."""

import csv
import json
import shlex
from pathlib import Path

import pytest
from PIL import Image

from temper.core.errors import InputError
from temper.data_loop import corrections, doubt_list, edits, source_rows
from temper.data_loop.corrections import CORRECTED
from tests.data_loop.reviews import WORDS, correct, listed, rows_with_mistakes, sentences
from tests.helpers.tables import read_csv, write_csv


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
    count, targets = corrections.apply(parameters, path)
    assert count == 2
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
    _, targets = corrections.apply(parameters, correct(found, {number: other}))
    assert {name: str(path) for name, path in targets.items()} == {
        name: f"x.{name}.csv" for name in ("train", "validation", "test")
    }
    written = {name: read_csv(path) for name, path in targets.items()}
    assert {name: [row["text"] for row in part] for name, part in written.items()} == expected
    changes = [row for part in written.values() for row in part if row not in rows_with_mistakes()]
    assert changes == [rows_with_mistakes()[number - 1] | {"label": other}]


def test_all_splits_appear_or_none(project, monkeypatch):
    """An error in the last file leaves none behind."""
    write_csv("x.csv", rows_with_mistakes())
    parameters = project(files={"train": "x.csv"}, split={"validation": 0.2, "test": 0, "seed": 7})
    found = listed(parameters)
    path = correct(found, {found.rows[0].place.row: found.rows[0].suggested})
    before, copy = sorted(Path().iterdir()), edits.copy

    def fail_on_validation(file, target, edit, csv):
        copy(file, target, edit, csv)
        if "validation" in target.name:
            raise OSError("disk")

    monkeypatch.setattr(edits, "copy", fail_on_validation)
    with pytest.raises(OSError, match="disk"):
        corrections.apply(parameters, path)
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("name", ["x.csv", "my data/a'b, c=é.csv", "a\\'b\\.csv", '"(x).csv'])
def test_the_printed_command_names_any_file(name):
    """As the shell and Hydra read it."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    printed, _ = corrections.next_steps({"train": Path(name)})
    override = shlex.split(printed)[-1]
    (parsed,) = OverridesParser.create().parse_overrides([override])
    assert (parsed.key_or_group, parsed.value()) == ("data.files.train", name)


@pytest.mark.parametrize(
    ("labels", "changes", "message"),
    [
        ({}, {}, "its column corrected_label is empty"),
        ({11: "bad"}, {}, "each corrected_label is the label that the row has; none to correct"),
        ({11: "goood"}, {}, r"row \d+: corrected_label 'goood' is no label .*did you mean 'good'"),
        ({11: "good"}, {"current_label": "good"}, "row 11 has the label 'bad' and not 'good'"),
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


def test_rows_that_a_filter_drops_stay_in_the_copy(project):
    """Also where task.labels has no name for their label."""
    rows = rows_with_mistakes() + [{"text": f"Number {i}", "label": "spam"} for i in range(5)]
    write_csv("x.csv", rows)
    kept = ["bad", "good"]
    filters = {"labels": kept, "applies_to": ["train"]}
    parameters = project(
        {"labels": kept},
        {"evaluate__positive_label": "good"},
        files={"train": "x.csv"},
        filter=filters,
    )
    corrections.apply(parameters, correct(listed(parameters), {11: "good"}))
    assert read_csv("x.corrected.csv") == [*rows[:10], rows[10] | {"label": "good"}, *rows[11:]]


def test_a_corrected_image_is_in_the_folder_of_its_label(project, monkeypatch):
    """Images are judged by their pixels where the model starts from scratch."""
    colours = {"red": (220, 30, 30), "blue": (30, 30, 220)}
    for name, (r, g, b) in colours.items():
        Path("photos", name).mkdir(parents=True)
        for i in range(20):
            image = Image.new("RGB", (8, 8), (r + i, g + i, b + i))
            image.putpixel((i % 8, i // 8), (0, 255, 0))
            image.save(f"photos/{name}/{name}-{i:02}.png")
    Path("photos/red/red-03.png").rename("photos/blue/red-04.png")
    task = {"name": "image_classification", "image": "image", "label": "label"}
    without_texts = {"synonym_files": {}, "translators": {}}
    changes = {"tokenize": without_texts, "train__bucket_window": None}
    parameters = project(task, changes, files={"train": "photos"}, glob="*/*")
    monkeypatch.setattr("temper.data_loop.vectors.of_splits", thumbnails)
    found = listed(parameters)
    assert (found.rows[0].place.file, found.rows[0].suggested) == ("photos/blue/red-04.png", "red")
    doubt_list.write(found.rows[:1], Path("doubts.csv"))
    write_csv("doubts.csv", [read_csv("doubts.csv")[0] | {CORRECTED: "red"}])
    corrections.apply(parameters, Path("doubts.csv"))
    # one name, two pictures
    copies = {"blue/red-04.png": "red/blue-red-04.png", "red/red-04.png": "red/red-04.png"}
    for name, copy in copies.items():
        assert Path("photos.corrected", copy).read_bytes() == Path("photos", name).read_bytes()
    assert len(list(Path("photos.corrected").rglob("*.png"))) == 40
    assert len(list(Path("photos").rglob("*.png"))) == 40


def thumbnails(parameters, splits):
    """Stand in for the vectors of a model whose image processor the test has not."""
    import numpy as np

    from temper.data_loop.vectors import thumbnail

    return [np.stack([thumbnail(data) for data in split["image"]]) for split in splits], "pixels"
