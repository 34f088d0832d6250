"""`temper doubts` from the command line: the same list each time, and corrections are not lost."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from temper.cli import doubts as command
from temper.core.errors import InputError
from tests.helpers.workspace import ROOT, environment


@pytest.mark.slow
def test_lists_doubts_and_applies_corrections(prepare, capsys, monkeypatch):
    """The process starts again with pinned threads, and writes the bytes that this one writes."""
    monkeypatch.setenv("COLUMNS", "80")
    prepare()
    code = "from temper.cli.main import main; main()"
    line = [sys.executable, "-c", code, "doubts", "--output", "other.csv", "--folds", "3"]
    env = environment(PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1", TEMPER_TRACKING="off")
    done = subprocess.run(line, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    command.doubts(folds=3)
    out = capsys.readouterr().out
    assert "96 training rows, 3 folds, a linear model\non TF-IDF of words (the model starts" in out
    assert max(map(len, out.splitlines())) <= 80, out
    assert Path("other.csv").read_bytes() == Path("doubts.csv").read_bytes()
    with Path("doubts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert f"wrote {len(rows)} of {len(rows)} rows with a doubt to doubts.csv" in out
    rows[0]["corrected_label"] = rows[0]["suggested_label"]
    with Path("doubts.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(InputError, match="has 1 corrections, which a new list would replace"):
        command.doubts()
    capsys.readouterr()
    command.doubts(apply=Path("doubts.csv"))
    out = capsys.readouterr().out
    assert out.startswith("1 labels corrected in tests/data/train.corrected.csv\n")
    assert "dvc exp run -S ++data.files.train=tests/data/train.corrected.csv\n" in out
    before = Path("tests/data/train.csv").read_text().splitlines()
    after = Path("tests/data/train.corrected.csv").read_text().splitlines()
    changed = [i for i, pair in enumerate(zip(before, after, strict=True)) if len(set(pair)) > 1]
    assert changed == [int(rows[0]["line"]) - 1]


@pytest.mark.parametrize(
    ("output", "message"),
    [("doubts.xlsx", "expected the name of a .csv file"), ("none/x.csv", "none must be a folder")],
)
def test_an_output_that_cannot_be_written_is_refused(write_params, output, message):
    write_params()
    with pytest.raises(InputError, match=message):
        command.doubts(output=Path(output))


@pytest.mark.parametrize("content", ["a,label\nx,good\n", "corrected_label,file,row\n,a,1\n", "\0"])
def test_another_file_is_not_replaced_by_the_list(write_params, tmp_path, content):
    """Training data, for example."""
    write_params()
    path = tmp_path / "train.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=r"train\.csv: is there already, and no list of temper"):
        command.doubts(output=path)
    assert path.read_text() == content


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": Path("x.csv")}, "--output: for a new list, and --apply reads one; remove it"),
        ({"rows": 3, "folds": 4, "similarity": 0.9}, "--rows, --folds, --similarity: for a new"),
    ],
)
def test_options_of_a_new_list_are_refused_beside_apply(write_params, options, message):
    write_params()
    with pytest.raises(InputError, match=message):
        command.doubts(apply=Path("doubts.csv"), **options)


def test_data_of_the_hub_are_not_corrected(write_params):
    write_params(data__source="hub", data__files={}, data__hub={"name": "a/b"})
    with pytest.raises(InputError, match="--apply: the data are the Hub's"):
        command.doubts(apply=Path("doubts.csv"))


def test_without_a_list_it_says_what_writes_one(write_params):
    write_params()
    with pytest.raises(InputError, match=r"doubts\.csv: no such file; temper doubts writes one"):
        command.doubts(apply=Path("doubts.csv"))
