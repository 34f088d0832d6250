"""A family that trains also leaves: docs/families.md, and three families here."""

import re
from pathlib import Path

import pytest

from tests.helpers import families
from tests.helpers.workspace import ROOT

ROW = re.compile(r"^\| ([\w-]+) \| ([\w, ]+) \| (.+?) \| (.+?) \| (.+) \|$", re.MULTILINE)


def test_the_page_has_no_family_that_trains_without_leaving():
    """It has 30 families or more, every task, and rows for ONNX and for none."""
    text = (ROOT / "docs/families.md").read_text(encoding="utf-8")
    rows = [row for row in ROW.findall(text) if row[0] not in ("family", "---")]
    assert len({family for family, *_ in rows}) >= 30
    assert {name for _, tasks, *_ in rows for name in tasks.split(", ")} == set(families.TASKS)
    assert [row for row in rows if row[2] == "yes" and row[3] != "yes"] == []
    assert {row[4] == "yes" for row in rows if row[3] == "yes"} == {True, False}


def test_a_row_is_for_all_tasks_with_one_outcome():
    """Reasons stand in a cell of the table."""
    one = families.Outcome("a", "masked_lm", "yes", "yes", "x|y")
    two = families.Outcome("a", "causal_lm", "yes", "yes", "x|y")
    assert families.page([one, two]).endswith("| a | causal_lm, masked_lm | yes | yes | x\\|y |\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "task", "has_onnx"),
    [
        ("longformer", "sequence_classification", False),
        ("xlnet", "token_classification", True),
        ("gpt2", "sequence_classification", True),
    ],
)
def test_trains_and_leaves(family, task, has_onnx, tmp_path, monkeypatch):
    """With ONNX or without, predict gives the trained model's answers."""
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    monkeypatch.chdir(tmp_path)
    outcome = families.run_case(family, task, tmp_path)
    assert (outcome.trains, outcome.exported) == ("yes", "yes")
    assert (outcome.onnx == "yes") == has_onnx
    assert Path("data/export/onnx").exists() == has_onnx
