"""What `temper check` reads in the data: files, rows, splits and labels."""

from pathlib import Path

import pytest

from temper.cli import check
from temper.core.errors import InputError
from tests.helpers.downloads import CUT, FOLD, SINGLE, get, one_file


def test_the_check_counts_what_the_stage_writes(write_params, hundred_rows):
    """Rows by split, after every option."""
    changes = SINGLE | hundred_rows | {"data__split": CUT | {"validation": 0.0}, "data__fold": FOLD}
    changes |= {"data__subset": {"train": 30}, "data__filter": {"min_characters": 3}}
    changes["data__filter"] |= {"applies_to": ["train", "validation", "test"]}
    parameters = write_params(**changes)
    Path("dvc.yaml").write_text("stages: {}\n")
    found, facts = check.examine(parameters)
    assert found == []
    written, summary = get(write_params, **changes)
    for name, part in written.items():
        assert f"{name} {len(part)} rows" in facts["data"]
    dropped = summary["filtered"]
    assert sum(dropped.values()) == 2
    assert facts["filter"] == "drops " + ", ".join(f"{n} of {s}" for s, n in dropped.items())


def test_a_wrong_number_is_named_by_its_row_in_a_split_that_is_cut(write_params, hundred_rows):
    """The row of the file, not of the split."""
    task = SINGLE | {"task__problem_type": "regression", "evaluate__positive_label": None}
    text = "text,label\n" + "".join(f"row {i},{i}\n" for i in range(20)) + "last,many\n"
    with pytest.raises(InputError, match="train row 21, column 'label': 'many' is not a number"):
        get(write_params, **task, **one_file(text) | {"data__split": CUT})
