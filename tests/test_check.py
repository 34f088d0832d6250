"""`temper check` names every mistake at once; `temper summary` says whether the lock was met."""

from pathlib import Path

import pytest
import yaml

from stages.commands import check, summary

ROOT = Path(__file__).parent.parent


def examine(write_params, **changes):
    parameters = write_params(**changes)
    Path("dvc.yaml").write_text("stages: {}\n")
    return check.examine(parameters)


def test_the_tests_own_parameters_are_all_right(write_params):
    """No mistake, and the facts are those of the files."""
    found, facts = examine(write_params)
    assert found == []
    assert facts["data"] == "train 96 rows, validation 32 rows, test 24 rows"
    assert facts["steps"] == "6 an epoch, 12 in all"


def test_every_mistake_is_named_at_once(write_params):
    """Launch file, metric, column and model in one go."""
    found, _ = examine(
        write_params,
        train__launch="singel",
        train__best_metric="acuracy",
        task__text=["sentence1", "sentense2"],
        tokenize__max_length=99,
        model__config={"hidden_siz": 3},
    )
    text = "\n".join(found)
    for part in (
        "no launch/singel.yaml (did you mean 'single'?)",
        "did you mean 'accuracy'",
        "column 'sentense2'",
        "did you mean 'sentence2'?",
        "no such key (did you mean 'hidden_size'?)",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenize__max_length": 99}, "positions for 64 tokens"),
        ({"data__files": {"train": "nowhere.csv"}}, "no such file or folder: nowhere.csv"),
        (
            {"task__labels": ["yes", "no"], "evaluate__positive_label": "yes"},
            "49 rows of train have the label 'equivalent'",
        ),
        ({"task__labels": None, "evaluate__positive_label": None}, "F1 of two labels"),
        ({"train__launch": "cpu_2", "train__batch_size": 7}, "no multiple of 2 processes"),
        ({"train__precision": "fp16"}, "fp16 needs a GPU"),
    ],
)
def test_single_mistakes(write_params, changes, message):
    """Each with what was found and what is allowed."""
    found, _ = examine(write_params, **changes)
    assert message in "\n".join(found)


def test_a_missing_code_file_is_found(write_params):
    """dvc.yaml names it."""
    parameters = write_params()
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"train": {"deps": ["stages/gone.py"]}}}))
    assert "dvc.yaml:4: stages/gone.py does not exist" in "\n".join(check.examine(parameters)[0])


def test_the_lock_is_compared_by_stage():
    """Same outputs: nothing; others: with the inputs that changed, or with the same."""
    stage = {"deps": [{"path": "a", "md5": "1"}], "outs": [{"path": "b", "md5": "2"}]}
    other = {"deps": [{"path": "a", "md5": "9"}], "outs": [{"path": "b", "md5": "3"}]}
    assert summary.compare({"s": stage}, {"s": stage}) == []
    assert summary.compare({"s": stage}, {"s": other}) == ["s: after a change of a"]
    drifted = {"deps": stage["deps"], "outs": other["outs"]}
    assert summary.compare({"s": stage}, {"s": drifted}) == [
        "s: with the same inputs, so the machine or the libraries differ"
    ]
