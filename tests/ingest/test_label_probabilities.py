"""Rows of one probability per label are learned as such, and scored by one label."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from temper.cli import check
from temper.core import arrow
from temper.core.errors import InputError
from temper.params import user_code
from temper.training import losses
from tests.helpers.training import fit

TASK = {
    "name": "sequence_classification",
    "problem_type": "single_label_classification",
    "text": ["text"],
    "label_probabilities": {"no": "p_no", "yes": "p_yes", "maybe": "p_maybe"},
}
MULTI = "multi_label_classification"
ROWS = ["one,0.7,0.2,0.1", "two,0,0.5,0.5", "three,0.2005,0.3,0.5"]
MORE = [f"row {i},{i / 20},{1 - i / 20},0" for i in range(21)]


@pytest.fixture
def load(prepare, write_params):
    """Return a function that prepares a training on rows of probabilities."""

    def load_rows(train=(*ROWS, *MORE), validation=MORE, head="text,p_no,p_yes,p_maybe", **task):
        write_params()
        Path("train.csv").write_text("\n".join([head, *train]) + "\n")
        Path("validation.csv").write_text("\n".join([head, *validation]) + "\n")
        return prepare(
            task=TASK | task,
            data__files={"train": "train.csv", "validation": "validation.csv"},
            data__split={"validation": 0.0, "test": 0.0, "seed": 7},
            data__extra_columns=[],
            evaluate__positive_label=None,
            evaluate__slices=[],
            train__metric_for_best_model="loss",
            train__epochs=1.0,
        )

    return load_rows


def test_the_likeliest_label_is_the_reference(load):
    """Of equal ones the first; the probabilities of a row are divided by their sum."""
    load()
    raw = arrow.load(Path("data/raw"))["train"]
    assert raw.features["labels"].names == ["no", "yes", "maybe"]
    assert raw["labels"][:3] == [0, 1, 2]
    expected = np.array([[0.7, 0.2, 0.1], [0, 0.5, 0.5], [0.2005, 0.3, 0.5]])
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(raw["label_probabilities"][:3], expected, rtol=1e-6)
    tokenized = arrow.load(Path("data/tokenized"))
    assert tokenized["train"]["label_probabilities"][:] == raw["label_probabilities"][:]
    assert "label_probabilities" not in tokenized["validation"].features


def test_the_loss_is_the_cross_entropy_with_the_probabilities(load):
    """Of a batch, by hand: the sum of -p log q, divided by the number of rows."""
    parameters = load()
    session: Any = fit(parameters)
    batch = session.rows.batch([0, 1, 2, -1])  # the last one is padding
    session.model.eval()
    count = losses.label_mask(batch["labels"]).sum()
    loss = session.compute_loss(session.model, batch, count, session.total_steps)
    inputs = {n: v for n, v in batch.items() if n in ("input_ids", "attention_mask")}
    with torch.no_grad():
        logits = session.model(**inputs, token_type_ids=batch["token_type_ids"]).logits.double()
    logits = logits.numpy()[:3]
    log_q = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    rows = np.array([[0.7, 0.2, 0.1], [0, 0.5, 0.5], [0.2005, 0.3, 0.5]])
    expected = -(rows / rows.sum(1, keepdims=True) * log_q).sum() / 3
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    assert count == 3


def test_a_label_column_is_scored_in_their_place(load):
    """What is learned are the probabilities; a split may have the labels alone."""
    head, train = "text,p_no,p_yes,p_maybe,label", [f"{row},maybe" for row in (*ROWS, *MORE)]
    load([*train, "x,1,0,0,no", "y,0,1,0,yes"], ["z,,,,no", "w,,,,maybe"], head, label="label")
    raw = arrow.load(Path("data/raw"))
    assert raw["train"]["label"][:3] == [2, 2, 2]
    assert raw["validation"]["label"][:] == [0, 2]
    assert raw["validation"]["label_probabilities"][:] == [None, None]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x,0.7,0.2,0.2", r"row 1, column 'p_no, p_yes, p_maybe': the probabilities sum to 1\.1"),
        ("x,-0.1,1,0.1", r"row 1, column 'p_no': '?-0\.1'? is no probability; expected 0 to 1"),
        ("x,nan,1,0", "column 'p_no': .* is no probability"),
        ("x,high,1,0", "'high' is no probability"),
        ("x,,,", "row 1, column 'p_no, p_yes, p_maybe': no label"),
    ],
)
def test_rows_that_are_no_distribution_are_refused(load, row, message):
    """The error says which row and column, and what is expected."""
    with pytest.raises(InputError, match=message):
        load([row, *MORE])


def test_temper_check_reads_them_too(load, write_params):
    """It counts the likeliest labels, and names a column that is not there."""
    parameters = load()
    Path("dvc.yaml").write_text("stages: {}\n")
    mistakes, facts = check.examine(parameters)
    assert (mistakes, facts["labels"]) == ([], "no 12, yes 11, maybe 1")
    with pytest.raises(InputError, match="train has no column 'p_maybe'"):
        load(head="text,p_no,p_yes,p_mabe")


def test_a_labelled_row_needs_probabilities(load):
    head = "text,p_no,p_yes,p_maybe,label"
    with pytest.raises(InputError, match="row 1, column 'label': a label and no probabilities"):
        load(["x,,,,no", "y,1,0,0,no"], ["z,1,0,0,no"], head, label="label")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"problem_type": MULTI}, f"are for single_label_classification, not {MULTI}"),
        ({"labels": ["no", "yes", "maybe"]}, "labels has no effect with label_probabilities"),
        ({"label": "p_no"}, "label_probabilities needs a column of its own for each label"),
        ({"label_probabilities": None}, "label is missing .or label_probabilities in its place"),
        ({"label_probabilities": {"no": "p_no"}}, "at least 2 items"),
        ({"text": ["labels"]}, "data.rename: the column 'labels' would be overwritten"),
        ({"text": ["label_probabilities"]}, "data.rename: the column 'label_probabilities' would"),
        ({"label": "label_probabilities"}, "data.rename: the column 'label_probabilities' would"),
    ],
)
def test_keys_that_do_not_fit_are_refused(load, changes, message):
    with pytest.raises(InputError, match=message):
        load(**changes)


def test_options_of_certain_labels_are_refused(write_params):
    for name, value in (("label_smoothing", 0.1), ("class_weights", "balanced"), ("loss", "m.f")):
        changes = {"task": TASK, "evaluate__positive_label": None, f"train__{name}": value}
        with pytest.raises(InputError, match=f"train.{name}: .*no effect on task.label_prob"):
            write_params(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"collator": "m.f"}, "train.collator: may change rows, and task.label_probabilities are"),
        (
            {"teachers": {"big": {"name": "sample"}}, "distillation": {"weight": 1.0}},
            "train.distillation: weight: 1 leaves no share to task.label_probabilities; set it",
        ),
    ],
)
def test_what_would_part_rows_from_their_probabilities_is_refused(write_params, changes, message):
    changes = {f"train__{key}": value for key, value in changes.items()}
    with pytest.raises(InputError, match=message):
        write_params(task=TASK, evaluate__positive_label=None, **changes)


def test_custom_encoding_must_keep_the_probabilities(write_params):
    """Without them, batches would lack what is learned."""
    changes: Any = {"tokenize__encode": "mine.encode", "code": {"mine": "mine.py"}}
    parameters = write_params(task=TASK, evaluate__positive_label=None, **changes)
    Path("mine.py").write_text(
        "def encode(examples, processor, encode):\n"
        "    columns = encode(examples)\n"
        "    columns.pop('label_probabilities', None)\n"
        "    return columns\n"
    )
    task = SimpleNamespace(encode=lambda *_, **__: {"full_length": [1], "label_probabilities": [1]})
    encode = user_code.encoder(task, parameters)
    assert encode({"text": ["a"]}, None, mode="evaluate") == {"full_length": [1]}
    with pytest.raises(InputError, match="must return the column label_probabilities, as encode"):
        encode({"text": ["a"]}, None, mode="train")
