"""Labels that the task, params.yaml and the data do not agree about."""

import json
from typing import Any

from tests.promises.bad_input import ABSENT, BadInput

ONE_TEXT = {
    "task.text": ["text"],
    "task.labels": ABSENT,
    "evaluate.positive_label": "b",
    "data.split": {"validation": 0.0, "test": 0.0, "seed": 1},
    "train.metric_for_best_model": "loss",
}
SEVERAL = ONE_TEXT | {
    "task.problem_type": "multi_label_classification",
    "evaluate.positive_label": None,
    "evaluate.threshold": 0.5,
}
REGRESSION = ONE_TEXT | {"task.problem_type": "regression", "evaluate.positive_label": None}
CHOICES = {"context": "c", "stem": "s", "endings": ["x", "y"]}


def table(name: str, rows: str, *says: str, base: dict[str, Any] = ONE_TEXT, **changes: Any):
    """Return a case whose train split is a CSV file; `__` in a key stands for a dot."""
    return BadInput(
        name=name,
        files={"own.csv": rows},
        changes=base
        | {"data.files": {"train": "own.csv"}}
        | {key.replace("__", "."): value for key, value in changes.items()},
        says=says,
    )


def flags(name: str, rows: str, *says: str, **changes: Any):
    """Return a case with a column of 0 and 1 for each of two labels."""
    return table(name, rows, *says, base=SEVERAL, task__label=["joy", "fear"], **changes)


def lines(name: str, rows: list[dict], *says: str, base: dict[str, Any] = ONE_TEXT, **changes: Any):
    """Return a case whose train split is a JSON Lines file."""
    case = table(name, "", *says, base=base, **changes)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    files = {"data.files": {"train": "own.jsonl"}}
    return BadInput(
        name=name, says=says, changes={**case.changes, **files}, files={"own.jsonl": text}
    )


def choices(name: str, label: Any, *says: str):
    """Return a case of multiple_choice with one label changed."""
    rows = [CHOICES | {"label": 0}, CHOICES | {"label": label}]
    return BadInput(
        name=name,
        recipe="sample-multiple_choice",
        files={"own.jsonl": "".join(json.dumps(row) + "\n" for row in rows)},
        changes={
            "data.files": {"train": "own.jsonl"},
            "task.context": "context",
            "task.stem": "stem",
            "task.choices": ["endings"],
        },
        says=says,
    )


AB = "text,label\nx,a\ny,b\nz,a\n"
FLAGS = "text,joy,fear\nx,1,0\ny,0,1\n"
CASES = [
    BadInput(
        name="balanced_tag_without_rows",
        recipe="sample-token_classification",
        changes={
            "task.labels": [
                "O",
                *(f"{b}-{t}" for t in ("LOC", "ORG", "PER", "DATE") for b in "BI"),
            ],
            "train.class_weights": "balanced",
        },
        says=("params.yaml:", "train.class_weights", "train has no rows of B-DATE, I-DATE"),
    ),
    # -1, numbers and truth values as names
    table(
        "minus_one_without_labels",
        "text,label\nx,-1\ny,0\nz,1\n",
        "own.csv: train row 1, column 'label': no label (-1 stands for no label",
        'list "-1" in task.labels',
    ),
    table("numbers_unquoted", AB, "task.labels.0", 'quotes: "0"', task__labels=[0, 1]),
    table("truth_unquoted", AB, "task.labels.1", 'quotes: "false"', task__labels=["a", False]),
    table("null_as_label", AB, "task.labels.1", "found null", task__labels=["a", None]),
    table("positive_unquoted", AB, "positive_label", 'quotes: "1"', evaluate__positive_label=1),
    table(
        "filter_unquoted",
        AB,
        "data.filter.labels.0",
        'quotes: "0"',
        data__filter={"labels": [0], "applies_to": ["train"]},
    ),
    # several labels
    table("numpy_list", "text,label\nx,\"['a' 'b']\"\n", "row 1", '["a", "b"]', base=SEVERAL),
    table("list_cut_off", 'text,label\nx,"[""a"", ""b"\n', "row 1", '["a", "b"]', base=SEVERAL),
    table("no_separator", AB, "row 1", "'a'", "task.label_separator", "task.label", base=SEVERAL),
    table(
        "list_and_separator",
        "text,label\nx,\"['a', 'b']\"\n",
        "row 1",
        "remove task.label_separator",
        base=SEVERAL,
        task__label_separator=",",
    ),
    lines("number_for_list", [{"text": "x", "label": 3}], "row 1", "found 3", base=SEVERAL),
    lines("nested_list", [{"text": "x", "label": [["a"]]}], "row 1", "['a']", base=SEVERAL),
    lines("null_in_list", [{"text": "x", "label": ["a", None]}], "row 1", "None", base=SEVERAL),
    lines("list_for_one_label", [{"text": "x", "label": ["a"]}], "row 1", "found ['a']"),
    lines("object_for_one_label", [{"text": "x", "label": {"a": 1}}], "row 1", "found {'a': 1}"),
    # a column of 0 and 1 per label
    flags("flag_of_two", FLAGS + "z,2,0\n", "train row 3, column 'joy': expected 0 or 1", "'2'"),
    flags("flags_half_empty", FLAGS + "z,,1\n", "train row 3, column 'joy'", "empty in all"),
    table(
        "flag_column_missing",
        FLAGS,
        "no column 'feer' (did you mean 'fear'?)",
        base=SEVERAL,
        task__label=["joy", "feer"],
    ),
    flags(
        "flag_never_set",
        "text,joy,fear\nx,1,0\ny,0,0\n",
        "task.label: no row of train has the label fear",
        "joy 1, fear 0",
    ),
    table("flags_of_one_label", FLAGS, "single_label", "name one", task__label=["joy", "fear"]),
    flags(
        "flags_and_labels",
        FLAGS,
        "labels has no effect with a list of columns",
        task__labels=["joy", "fear"],
    ),
    table("flags_none", FLAGS, "params.yaml:", "task.label", base=SEVERAL, task__label=[]),
    table(
        "flag_column_is_text",
        FLAGS,
        "two of the task's columns are the same",
        base=SEVERAL,
        task__label=["joy", "text"],
    ),
    # labels without rows, rows without labels
    table(
        "label_without_row",
        AB,
        "task.labels: no row of train has the label c",
        "a 2, b 1, c 0",
        task__labels=["a", "b", "c"],
        evaluate__positive_label=None,
    ),
    table(
        "id_without_row",
        "text,label\nx,0\ny,1\n",
        "no row of train has the label high",
        "low 1, middle 1, high 0",
        task__labels=["low", "middle", "high"],
        evaluate__positive_label=None,
    ),
    table("unknown_label", AB, "'a'", "there are A, b", task__labels=["A", "b"]),
    table("one_label", "text,label\nx,b\ny,b\n", "train has 1 label (b); two are needed"),
    # parameters that name labels
    flags(
        "threshold_lacks_label",
        FLAGS,
        "evaluate.threshold: names joy",
        "joy, fear",
        evaluate__threshold={"joy": 0.5},
    ),
    table(
        "filtered_label_unknown",
        AB,
        "data.filter.labels: no row has the label 'c'",
        "a, b",
        data__filter={"labels": ["a", "c"], "applies_to": ["train"]},
    ),
    table(
        "one_phrase_for_two",
        "text,label\nx,not_ok\ny,not ok\n",
        "evaluate.zero_shot.nli: ",
        "'not ok' and 'not_ok' have the same phrase",
        evaluate__positive_label="not_ok",
        evaluate__zero_shot={"nli": {"name": "sample", "template": "{}."}},
    ),
    table(
        "one_phrase_given_twice",
        AB,
        "evaluate.zero_shot.nli: ",
        "'a' and 'b' have the same phrase, 'x'",
        task__labels=["a", "b"],
        evaluate__zero_shot={
            "nli": {"name": "sample", "template": "{}.", "phrases": {"a": "x", "b": "x"}}
        },
    ),
    table("label_as_extra", AB, "data.extra_columns: 'label'", data__extra_columns=["label"]),
    table("text_as_extra", AB, "data.extra_columns: 'text'", data__extra_columns=["text"]),
    # numbers to learn
    table("regression_nan", "text,label\nx,1\ny,nan\n", "row 2", "'nan'", base=REGRESSION),
    table("regression_inf", "text,label\nx,1\ny,-inf\n", "row 2", "'-inf'", base=REGRESSION),
    table("regression_wide", "text,label\nx,1\ny,1e300\n", "'1e300'", "3.4", base=REGRESSION),
    lines("regression_big", [{"text": "x", "label": 10**400}], "row 1", base=REGRESSION),
    table("regression_comma", 'text,label\nx,"1,5"\n', "'1,5' is not a", base=REGRESSION),
    # the right choice
    choices("choice_beyond", 2, "train row 2, column 'label': choice 2 of 2", "from 0"),
    choices("choice_word", "first", "train row 2, column 'label'", "'first'"),
    choices("choice_fraction", 0.5, "train row 2, column 'label'", "whole number"),
]
