"""profile.json: of which rows it is, and that it can be left out."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from datasets import Dataset

from temper import params
from temper.export import data_profile
from temper.prediction import profile
from tests.helpers import stage_runs
from tests.helpers.workspace import change


def test_of_a_large_split_every_so_many_rows_are_taken(monkeypatch, tmp_path):
    """With all their windows, and the same rows of the predictions."""
    monkeypatch.setattr(data_profile, "MAX_ROWS", 4)
    ids = [0, 0, 1, 2, 3, 3, 4, 5, 6, 6, 6]
    features = Dataset.from_dict({"example_id": ids, "input_ids": [[i] * 2 for i in ids]})
    rows, count = data_profile.select(features)
    assert [row["input_ids"][0] for row in rows] == [0, 0, 2, 4, 6, 6, 6]
    assert ([row["example_id"] for row in rows], count) == ([0, 0, 1, 2, 3, 3, 3], 4)
    file = tmp_path / "validation.csv"
    file.write_text("row,prediction,score_a\n" + "".join(f"{i},p{i},0.{i}\n" for i in range(7)))
    found = data_profile.read_predictions(file, count)
    assert found == {"prediction": ["p0", "p2", "p4", "p6"], "score_a": [0.0, 0.2, 0.4, 0.6]}
    assert data_profile.read_predictions(tmp_path / "none.csv", count) == {}


def test_common_tokens_are_the_most_frequent(monkeypatch):
    """Of equals the smaller ids, so that the file has the same bytes every time."""
    monkeypatch.setattr(profile, "COMMON_TOKENS", 3)
    features = Dataset.from_dict({"input_ids": [[9, 9, 5], [4, 3, 3, 3]]})
    task = SimpleNamespace(row_tokens=lambda row: row["input_ids"])
    assert data_profile.common_tokens(features, task) == [3, 4, 9]  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_profile_can_be_left_out(exported):
    """And is the same file every time."""
    before = (exported / profile.FILE).read_bytes()
    stage_runs.export(exported)
    assert (exported / profile.FILE).read_bytes() == before
    tree = yaml.safe_load(Path("params.yaml").read_text())
    Path("params.yaml").write_text(yaml.safe_dump(change(tree, {"export.data_profile": False})))
    assert not params.load().export.data_profile
    stage_runs.export(exported)
    assert not (exported / profile.FILE).exists()
