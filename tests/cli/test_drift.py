"""`temper predict` says on stderr that rows are not like those of validation."""

import json

import pytest
import typer

from temper.core import artifacts
from temper.core.errors import InputError
from temper.prediction.batches import BATCH_TOKENS
from tests.helpers.export import score

LONG = json.dumps({"sentence1": "It was new. " * 9, "sentence2": "It was old."}) + "\n"


@pytest.mark.slow
def test_drift_is_said_on_stderr_alone(exported, capsys):
    """The predictions are written as ever; only --fail-on-drift ends with status 3."""
    file = exported / "profile.json"
    stored = artifacts.read_json(file)
    assert stored["split"] == "validation"
    stored["rows"] *= 10  # the tests' validation has fewer rows than are compared
    for values in stored["numbers"].values():
        values["counts"] = [10 * count for count in values["counts"]]
    for counts in stored["categories"].values():
        counts.update({name: 10 * count for name, count in counts.items()})
    artifacts.write_json(file, stored)
    few = score(exported, LONG * 49, "jsonl")
    assert "drift" not in capsys.readouterr().err
    score(exported, LONG * 49, "jsonl", fail_on_drift=True)
    said = f"--fail-on-drift: 49 rows: not compared with the {stored['rows']} of validation (50 of "
    assert said in capsys.readouterr().err
    rows = score(exported, LONG * 60, "jsonl")
    found = capsys.readouterr()
    assert "drift: tokens per row: mean " in found.err
    assert "drift" not in found.out
    assert rows[:49] == few
    assert not [name for name in rows[0] if "drift" in name]
    with pytest.raises(typer.Exit) as ended:
        score(exported, LONG * 60, "jsonl", fail_on_drift=True)
    assert ended.value.exit_code == 3
    assert "drift: tokens per row" in capsys.readouterr().err
    file.unlink()
    assert score(exported, LONG * 60, "jsonl") == rows
    assert "drift" not in capsys.readouterr().err
    missing = r"--fail-on-drift: .*data/export/profile\.json .*; export with export\.data_profile"
    with pytest.raises(InputError, match=missing):
        score(exported, LONG, "jsonl", fail_on_drift=True)
    unset = {"engine": "auto", "batch_tokens": BATCH_TOKENS}
    with pytest.raises(InputError, match="--fail-on-drift is for an export, not for --zero-shot"):
        score(exported, LONG, "jsonl", zero_shot="a, b", fail_on_drift=True, **unset)
