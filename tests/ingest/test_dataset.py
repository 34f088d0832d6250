"""data/raw: overlaps of splits, and the same bytes wherever and whenever."""

from pathlib import Path

import pytest

from stages import download
from temper.core import arrow
from temper.core.errors import InputError
from tests.helpers.checks import examine
from tests.helpers.downloads import CUT, FOLD, SINGLE, get, one_file


@pytest.mark.parametrize("rule", ["report", "drop_from_train", "error"])
def test_counts_drops_or_refuses_rows_in_two_splits(write_params, tmp_path, monkeypatch, rule):
    """data.overlap decides."""
    monkeypatch.chdir(tmp_path)
    one_file("text,label\na,a\nb,b\nc,a\nd,b\n")
    Path("test.csv").write_text("text,label\na,a\nz,b\n")
    changes = {
        "data__files": {"train": "train.csv", "test": "test.csv"},
        "data__overlap": rule,
        "data__split": {"validation": 0.0, "test": 0.0, "seed": 1},
    }
    if rule == "error":
        with pytest.raises(InputError, match="1 rows of train in test"):
            get(write_params, **SINGLE, **changes)
        return
    found, summary = get(write_params, **SINGLE, **changes)
    assert summary["overlap"]["train in test"] == 1
    assert found["train"]["text"] == (["a", "b", "c", "d"] if rule == "report" else ["b", "c", "d"])


def test_rows_that_differ_in_case_and_space_alone_are_the_same(write_params, tmp_path, monkeypatch):
    """A model that ignores case has seen its test row; so may one that does not."""
    monkeypatch.chdir(tmp_path)
    one_file("text,label\nA  b,a\nb,b\nab,a\nd,b\n")
    Path("test.csv").write_text("text,label\na B ,a\nz,b\nZ,b\n")
    files = {"train": "train.csv", "test": "test.csv"}
    split = {"validation": 0.0, "test": 0.0, "seed": 1}
    rule = {"data__overlap": "drop_from_train", "data__files": files, "data__split": split}
    found, summary = get(write_params, **SINGLE, **rule)
    assert summary["overlap"]["train in test"] == 1
    assert summary["splits"]["test"]["duplicates"] == 1
    assert found["train"]["text"] == ["b", "ab", "d"]


def test_labels_that_differ_in_case_and_space_alone_are_said(write_params, tmp_path, monkeypatch):
    """They may be one label, written in two ways."""
    monkeypatch.chdir(tmp_path)
    changes = one_file("text,label\na,neg\nb,pos\nc,Neg \n")
    _, summary = get(write_params, **SINGLE | {"evaluate__positive_label": None}, **changes)
    note = "the labels 'Neg ', 'neg' differ in case and white space alone"
    assert summary["notes"] == [note]
    _, facts = examine(write_params, **SINGLE | {"evaluate__positive_label": None}, **changes)
    assert facts["labels"] == f"Neg  1, neg 1, pos 1\n{note}"


def test_rows_have_the_same_bytes_anywhere(tmp_path):
    """The batch size, the folder and the time change neither the Arrow file nor its fingerprint."""
    from datasets import Features, Value

    features = Features({"text": Value("string"), "n": Value("int64")})
    rows = {"text": [f"row {i}" for i in range(2500)], "n": list(range(2500))}
    for name, size in (("one", 7), ("other", 1999)):
        batches = ({k: v[i : i + size] for k, v in rows.items()} for i in range(0, 2500, size))
        assert arrow.write_split(tmp_path / name, "train", features, batches) == 2500
        arrow.write_index(tmp_path / name, ["train"])
    for file in (arrow.SHARD, "state.json", "dataset_info.json"):
        assert (tmp_path / "one/train" / file).read_bytes() == (
            tmp_path / "other/train" / file
        ).read_bytes()
    assert arrow.load(tmp_path / "one")["train"].to_dict() == rows


def test_batches_of_large_files_have_fewer_rows(tmp_path, monkeypatch):
    """None has more bytes than Arrow takes, unless one row does; small rows are not counted."""
    import pyarrow as pa
    from datasets import Features, Value

    monkeypatch.setattr(arrow, "MAX_BATCH_BYTES", 1000)
    features = Features({"audio": Value("binary"), "n": Value("int64")})
    sizes = [10] * 20 + [600, 300, 101, 2000, None] + [0] * 1200
    rows = {
        "audio": [None if size is None else bytes([i % 256]) * size for i, size in enumerate(sizes)]
    }
    rows["n"] = list(range(len(sizes)))
    for name, size in (("one", 7), ("other", 1999)):
        batches = ({k: v[i : i + size] for k, v in rows.items()} for i in range(0, 1225, size))
        arrow.write_split(tmp_path / name, "train", features, batches)
        arrow.write_index(tmp_path / name, ["train"])
    file, other = (tmp_path / name / "train" / arrow.SHARD for name in ("one", "other"))
    assert file.read_bytes() == other.read_bytes()
    with pa.ipc.open_stream(str(file)) as stream:
        assert [batch.num_rows for batch in stream] == [21, 2, 1, 1000, 201]
    found = arrow.load(tmp_path / "one")["train"]
    assert found.to_dict() == rows
    read = [len(batch["n"]) for batch in arrow.column_batches(found)]
    assert read == [21, 2, 1, 1000, 201]


def test_null_options_equal_absent_ones(write_params, hundred_rows):
    """The rows are the same bytes, and the summary has no key of an option that is off."""
    off = dict.fromkeys(("data__rename", "data__filter", "data__fold", "data__subset"))
    cut = {"data__split": CUT}
    _, plain = get(write_params, **SINGLE, **hundred_rows | cut)
    _, null = get(
        write_params, **SINGLE, **hundred_rows | off | {"data__split": CUT | {"group": None}}
    )
    assert plain == null
    assert not {"filtered", "fold", "subset"} & set(plain)


def test_records_the_imbalance_of_train(write_params, hundred_rows, capsys):
    """It is the largest label count over the smallest."""
    _, summary = get(write_params, **SINGLE, **hundred_rows)
    assert summary["imbalance"] == round(70 / 30, 2)
    regression = SINGLE | {"task__problem_type": "regression", "evaluate__positive_label": None}
    _, summary = get(write_params, **regression, **one_file("text,label\na,1\nb,2.5\n"))
    assert "imbalance" not in summary


def test_prints_what_each_option_did(write_params, hundred_rows, capsys):
    """Options that are off print nothing."""
    changes = {"data__filter": {"min_characters": 3, "applies_to": ["train"]}}
    changes |= {"data__fold": FOLD, "data__subset": {"train": 40}}
    _, summary = get(write_params, **SINGLE, **hundred_rows, **changes)
    download.print_options(summary)
    assert capsys.readouterr().out.splitlines() == [
        "filter: dropped 2 rows of train",
        "subset: 40 of 78 rows of train",
        "fold 0 of 5 is validation",
        f"imbalance: the most frequent label is {summary['imbalance']} x as frequent as the rarest",
    ]
    _, summary = get(write_params, **SINGLE, **hundred_rows)
    download.print_options(summary)
    assert capsys.readouterr().out.count("\n") == 1
