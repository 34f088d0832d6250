"""Labels are found again, and written in the form that they have in the data."""

import json
from pathlib import Path

import pytest

from temper.core.errors import InputError
from temper.data_loop import corrections, labels
from temper.data_loop.corrections import CORRECTED
from tests.data_loop.reviews import correct, listed, rows_with_mistakes, sentences
from tests.helpers.tables import read_csv, write_csv


@pytest.mark.parametrize(
    ("names", "listed_as", "corrected", "written"),
    [
        (("good ", "bad"), "bad", "good", "good "),
        (("true", "false"), "FALSE", "TRUE", "true"),
        ((True, False), "FALSE", "True", True),
        (("True", "False"), "FALSE", "TRUE", "True"),
    ],
)
def test_labels_are_found_again_after_a_spreadsheet(project, names, listed_as, corrected, written):
    """Which writes TRUE for true; spaces at the end of a label are not typed again."""
    new = {"good": names[0], "bad": names[1]}
    rows = [row | {"label": new[row["label"]]} for row in rows_with_mistakes()]
    Path("x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = correct(listed(project(files={"train": "x.jsonl"})), {11: corrected})
    write_csv(
        path, [row | {"current_label": listed_as} for row in read_csv(path) if row[CORRECTED]]
    )
    corrections.apply(project(files={"train": "x.jsonl"}), path)
    lines = Path("x.corrected.jsonl").read_text().splitlines()
    assert json.loads(lines[10]) == rows[10] | {"label": written}


def test_a_label_like_several_is_refused(project):
    task = project(files={"train": "x.csv"}).task
    spelling = labels.Spelling(task, ["good", "true", "True"], {})
    with pytest.raises(InputError, match="'TRUE' may be any of 'true', 'True'; make these one"):
        spelling.parse("TRUE", "x.csv row 1")


@pytest.mark.parametrize("text", ["O B-LOC", "O  B-LOC", "O\tB-LOC", "O\N{NO-BREAK SPACE}B-LOC"])
def test_tags_are_separated_by_any_white_space(project, text):
    """As a spreadsheet or an editor leaves it."""
    task = {"name": "token_classification", "words": "words", "tags": "tags", "scheme": "IOB2"}
    spelling = labels.Spelling(project(task, files={"train": "x.jsonl"}).task, ["O", "B-LOC"], {})
    assert spelling.parse(text, "") == ["O", "B-LOC"]
    assert spelling.are_same(["O", "B-LOC"], text)


@pytest.mark.parametrize(
    ("write", "rewritten", "of_none"),
    [
        (list, [1], [1]),
        (json.dumps, "[1]", "[1]"),
        (lambda ids: str([str(i) for i in ids]), "['1']", '["1"]'),
    ],
)
def test_several_labels_that_are_ids_stay_ids(project, write, rewritten, of_none):
    """Of the type that they have, also where the first row of the list has none."""
    texts = [(i, text) for i, name in enumerate(("bad", "good")) for text in sentences(name, 40)]
    ids = [[i] for i, _ in texts]
    ids[50], ids[3] = [0, 1], []
    rows = [{"text": text, "label": write(row)} for (_, text), row in zip(texts, ids, strict=True)]
    Path("x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    several = {"problem_type": "multi_label_classification", "labels": ["bad", "good"]}
    parameters = project(several, {"evaluate__threshold": 0.5}, files={"train": "x.jsonl"})
    found = listed(parameters)
    assert {(row.place.row, row.current) for row in found.rows} >= {(51, "0|1"), (4, "(none)")}
    corrections.apply(parameters, correct(found, {51: "1", 4: "1"}))
    fixed = [
        json.loads(line)["label"] for line in Path("x.corrected.jsonl").read_text().splitlines()
    ]
    before = [row["label"] for row in rows]
    assert fixed == [*before[:3], of_none, *before[4:50], rewritten, *before[51:]]
