"""`temper next` picks rows that the data do not have, the same each time, and says why."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from temper.cli import next as command
from temper.cli.predict import find_input, read_batches
from temper.core.errors import InputError
from tests.helpers.export import score
from tests.helpers.tables import read_csv
from tests.helpers.workspace import ROOT


def pool_rows(count: int) -> list[dict[str, str]]:
    rows = read_csv(ROOT / "data/sample/validation.csv")[100 : 100 + count]
    return [
        {"id": str(i)} | {k: v for k, v in row.items() if k != "label"}
        for i, row in enumerate(rows)
    ]


def write_pool(rows: list[dict[str, str]]) -> Path:
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Path("pool.jsonl")


@pytest.mark.slow
def test_picks_unsure_rows_that_the_data_do_not_have(exported, capsys):
    """Rows of train in other spelling, and repeated ones, are left out."""
    rows = pool_rows(60)
    known = read_csv("tests/data/train.csv")[0]
    known = {"id": "known"} | {k: v.upper() for k, v in known.items() if k != "label"}
    pool = write_pool([known, *rows, rows[0] | {"id": "again"}])
    command.next(pool, rows=8, output=Path("next.jsonl"))
    said = capsys.readouterr().out
    assert "62 rows in pool.jsonl; 1 rows are in the data and 1 repeat others" in said
    picked = [json.loads(line) for line in Path("next.jsonl").read_text().splitlines()]
    assert len(picked) == 8
    assert {row["id"] for row in picked} <= {row["id"] for row in rows}
    assert [row["label"] for row in picked] == [None] * 8  # to fill in
    scored = score(exported, pool.read_text(), "jsonl")
    margins = {row["id"]: abs(2 * float(row["score_equivalent"]) - 1) for row in scored}
    expected = [margins[row["id"]] for row in picked]
    assert [row["margin"] for row in picked] == pytest.approx(expected, abs=3e-6)
    assert picked == sorted(picked, key=lambda row: row["margin"])
    assert picked[-1]["margin"] <= np.sort([margins[row["id"]] for row in rows])[39]  # 5 x 8
    assert all(name in picked[0]["why"] for name in ("equivalent 0.", "not_equivalent 0."))
    command.next(pool, rows=8, output=Path("again.jsonl"))
    assert Path("again.jsonl").read_bytes() == Path("next.jsonl").read_bytes()
    command.next(pool, rows=500, output=Path("next.csv"))
    assert len(read_csv("next.csv")) == 60


@pytest.mark.slow
def test_refuses_what_it_cannot_pick_from(exported):
    """A pool that the data have, a column that it adds, an output that nobody can fill in."""
    with pytest.raises(InputError, match="all of its 24 rows have a label in label; nothing is"):
        command.next(Path("tests/data/test.csv"))
    known = [row | {"label": ""} for row in read_csv("tests/data/test.csv")]
    with pytest.raises(InputError, match="the data have all of its 24 rows"):
        command.next(write_pool(known))
    with pytest.raises(InputError, match="would overwrite the column 'why'; rename it"):
        command.next(write_pool([row | {"why": ""} for row in pool_rows(3)]))
    with pytest.raises(InputError, match=r"next\.parquet: write \.csv, \.tsv or \.jsonl"):
        command.next(Path("tests/data/test.csv"), output=Path("next.parquet"))
    with pytest.raises(InputError, match="--pool: no such file or folder: nowhere"):
        command.next(Path("nowhere"))
    Path("pool.jsonl").write_text("")
    with pytest.raises(InputError, match="--pool: no rows"):
        command.next(Path("pool.jsonl"))


def test_a_file_that_is_there_is_not_replaced(write_params, tmp_path):
    """It may be the one that is being filled in."""
    write_params()
    (tmp_path / "next.csv").write_text("label,text\ngood,x\n")
    with pytest.raises(InputError, match=r"next\.csv: is there already, perhaps with labels"):
        command.next(ROOT / "tests/data/test.csv", output=tmp_path / "next.csv")
    assert (tmp_path / "next.csv").read_text() == "label,text\ngood,x\n"


def test_rows_that_have_a_label_are_left_out():
    """In one of several columns, too; null, "" and -1 are none."""
    given = {"id": [0, 1, 2, 3, 4], "a": [None, 1, "", "-1", None], "b": ["", "", None, -1, "0"]}
    found = command.without_labelled(["a", "b"], given, {"text": list("vwxyz")})
    assert found == ({"id": [0, 2, 3], "a": [None, "", "-1"], "b": ["", None, -1]},
                     {"text": list("vxy")}, 2)  # fmt: skip


def test_images_have_their_path_and_no_label(tmp_path):
    """The folder of a pool is no label, and its name alone would not find the image."""
    path = tmp_path / "pool/unsorted/1.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(path)
    folder = tmp_path / "pool"
    read = partial(read_batches, folder, find_input(folder), None, str)
    given, examples = command.read_pool(read, {"image": "image"})
    assert given == {"file": [str(path)]}
    assert examples == {"image": [path.read_bytes()]}


def test_a_task_without_labels_of_rows_is_refused(write_params):
    write_params(task__problem_type="regression", task__labels=None, evaluate__positive_label=None,
                 train__metric_for_best_model="loss")  # fmt: skip
    with pytest.raises(
        InputError, match=r"\(regression\): temper next is for labels of whole rows"
    ):
        command.next(Path("tests/data/test.csv"))
