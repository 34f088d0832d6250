"""data/raw: overlaps of splits, and the same bytes wherever and whenever."""

from pathlib import Path

import pytest

from temper.core import arrow
from temper.core.errors import InputError
from tests.helpers.downloads import SINGLE, get, one_file


@pytest.mark.parametrize("rule", ["report", "drop_from_train", "error"])
def test_rows_in_two_splits(write_params, tmp_path, monkeypatch, rule):
    """Counted always; dropped from train or refused by parameter."""
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


def test_rows_have_the_same_bytes_wherever_and_whenever(tmp_path):
    """Batches of other sizes, another folder and time: the same Arrow file and fingerprint."""
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
