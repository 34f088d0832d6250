"""`temper doubts` from the command line: the same list each time, and corrections are not lost."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from temper.cli import doubts as command
from temper.core import artifacts
from temper.core.errors import InputError
from temper.data_loop import trained_judge
from tests.data_loop import reviews
from tests.helpers.tables import read_csv, write_csv
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
    rows = read_csv("doubts.csv")
    assert f"wrote {len(rows)} of {len(rows)} rows with a doubt to doubts.csv" in out
    rows[0]["corrected_label"] = rows[0]["suggested_label"]
    write_csv("doubts.csv", rows)
    with pytest.raises(InputError, match="has 1 corrections, which a new list would replace"):
        command.doubts()
    capsys.readouterr()
    command.doubts(apply=Path("doubts.csv"))
    out = capsys.readouterr().out
    assert out.startswith("rows corrected in tests/data/train.corrected.csv: 1\n")
    assert "dvc exp run -S ++data.files.train=tests/data/train.corrected.csv\n" in out
    before = Path("tests/data/train.csv").read_text().splitlines()
    after = Path("tests/data/train.corrected.csv").read_text().splitlines()
    changed = [i for i, pair in enumerate(zip(before, after, strict=True)) if len(set(pair)) > 1]
    assert changed == [int(rows[0]["line"]) - 1]


@pytest.mark.slow
def test_a_trained_judge_lists_planted_errors(prepare, capsys, tmp_path):
    """It is trained from scratch, and the other fold shows it the words of each label."""
    write_csv(tmp_path / "x.csv", reviews.rows_with_mistakes())
    data = {"source": "files", "files": {"train": str(tmp_path / "x.csv")},
            "split": {"validation": 0, "test": 0, "seed": 7}}  # fmt: skip
    prepare(task=reviews.TASK, data=data, evaluate__positive_label=None, train__epochs=8.0,
            train__learning_rate=0.003, train__metric_for_best_model="loss")  # fmt: skip
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    command.doubts(judge="trained", folds=2)
    out = capsys.readouterr().out
    assert "80 training rows, 2 folds, sample\ntrained with params.yaml:\nit agrees with" in out
    assert {row["row"] for row in read_csv("doubts.csv")[:4]} >= {"11", "62"}


@pytest.mark.slow
def test_a_trained_judge_lists_tags_leaves_data_alone_and_trains_once(
    prepare, monkeypatch, tmp_path
):
    """A corrected tag is written into its line of the CoNLL file, and all else stays."""
    sentences = [f"Anna{i} O\nB-{i % 7} O\nin O\nPort{i % 5} B-LOC\nOld I-LOC\n" for i in range(24)]
    (tmp_path / "x.conll").write_text("\n".join(sentences))
    task = {"name": "token_classification", "words": "words", "tags": "tags", "scheme": "IOB2"}
    split = {"validation": 0, "test": 0, "seed": 7}
    data = {"source": "files", "files": {"train": str(tmp_path / "x.conll")}, "split": split}
    prepare(task=task, data=data, evaluate__positive_label=None, train__epochs=1,
            train__metric_for_best_model="loss")  # fmt: skip
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    before = artifacts.sha256_tree(Path("data"))
    command.doubts(judge="trained", folds=2)
    assert artifacts.sha256_tree(Path("data")) == before
    monkeypatch.setattr(trained_judge, "judge", None)
    command.doubts(output=Path("again.csv"), judge="trained", folds=2)
    assert Path("again.csv").read_bytes() == Path("doubts.csv").read_bytes()
    rows = read_csv("doubts.csv")
    assert all(row["current_label"] == "O O O B-LOC I-LOC" for row in rows)
    assert rows[0]["reason"].startswith("word ")
    assert all(len(row["suggested_label"].split()) in (0, 5) for row in rows)
    assert all(row["suggested_label"] != row["current_label"] for row in rows)
    rows[0]["corrected_label"] = "B-LOC O O B-LOC I-LOC"
    write_csv("doubts.csv", rows)
    command.doubts(apply=Path("doubts.csv"))
    number = int(rows[0]["row"]) - 1
    sentences[number] = sentences[number].replace(" O", " B-LOC", 1)
    assert (tmp_path / "x.corrected.conll").read_text() == "\n".join(sentences)
    for tags, message in {
        "O O": "corrected_label has 2 tags, and the row 5 words",
        "O O O O I-LOC": r"tag 5, I-LOC, does not follow O \(task\.scheme: IOB2\)",
    }.items():
        write_csv("doubts.csv", [rows[0] | {"corrected_label": tags}])
        with pytest.raises(InputError, match=message):
            command.doubts(apply=Path("doubts.csv"))


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
        (
            {"rows": 3, "judge": "trained", "folds": 4, "similarity": 0.9},
            "--rows, --judge, --folds, --similarity: for a new list",
        ),
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


def test_a_list_is_not_applied_to_a_task_without_labels_of_rows(write_params):
    write_params(task__problem_type="regression", task__labels=None,
                 train__metric_for_best_model="loss", evaluate__positive_label=None)  # fmt: skip
    with pytest.raises(InputError, match=r"\(regression\): temper doubts --apply is for labels"):
        command.doubts(apply=Path("doubts.csv"))


def test_without_a_list_it_says_what_writes_one(write_params):
    write_params()
    with pytest.raises(InputError, match=r"doubts\.csv: no such file; temper doubts writes one"):
        command.doubts(apply=Path("doubts.csv"))
