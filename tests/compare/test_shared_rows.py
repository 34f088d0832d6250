"""Models are compared on the same rows alone."""

import numpy as np
import pytest

from temper.compare import model_comparison
from temper.core.errors import InputError
from tests.helpers.comparisons import BETTER, SAMPLES, TEXTS, WANTED, flipped, labelled, model, two


def test_rows_in_another_order_are_matched_by_content():
    """Predictions of data with another digest are matched to their rows."""
    order = np.random.default_rng(3).permutation(600)
    texts = {name: [values[i] for i in order] for name, values in TEXTS.items()}
    moved = model("b", labelled(WANTED[order], BETTER[order]), texts, sha256="other")
    found = model_comparison.compare([two()[0], moved], None, None, SAMPLES)
    assert (found.comparisons[0].mcnemar.gained, found.comparisons[0].mcnemar.lost) == (60, 10)
    assert found.notes == ["rows in another order, matched by content: b"]


def other_texts():
    return {**TEXTS, "sentence1": ["changed", *TEXTS["sentence1"][1:]]}


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            lambda: model("b", labelled(WANTED, BETTER), other_texts(), sha256="other"),
            r"a and b were not scored on the same test rows, so they cannot be compared:\n"
            r"  1 rows are only in a, the first: first 0 \| second 0 \| not_equivalent\n"
            r"  1 rows are only in b, the first: changed \| second 0 \| not_equivalent\nscore both",
        ),
        (
            lambda: model("b", labelled(1 - WANTED, BETTER), TEXTS, sha256="other"),
            "  600 rows have the same inputs and another label",
        ),
        (
            lambda: model("b", labelled(WANTED, BETTER), None, sha256="other"),
            "b: its test rows cannot be matched with the others': .*data/raw/test",
        ),
        (
            lambda: model("b", labelled(WANTED[:9], BETTER[:9])),
            r"compared:\n  591 rows are only in a, the first: row 9 \| equivalent\nscore both",
        ),
        (
            lambda: model("b", labelled(flipped(WANTED, [7]), BETTER)),
            r"  1 rows have the same inputs and another label\n"
            r"  1 rows are only in a, the first: row 7 \| equivalent\n"
            r"  1 rows are only in b, the first: row 7 \| not_equivalent\n.*docs/data-loop\.md",
        ),
        (
            lambda: model("b", [{"reference": "1", "prediction": "2"}] * 3, kind="number"),
            r"a and b have different tasks, .*\(classification\), .*\(regression\)",
        ),
        (
            lambda: model("b", [{"reference": "odd", "prediction": "odd"}] * 600, scores={"f1": 1}),
            "  600 rows have the same inputs and another label",
        ),
    ],
)
def test_refuses_other_test_data(second, message):
    """The error says what differs."""
    with pytest.raises(InputError, match=message):
        model_comparison.compare([two()[0], second()], None, None, SAMPLES)


def test_names_a_split_without_scores():
    """A mistyped metric is named too."""
    with pytest.raises(InputError, match=r"a: .*metrics\.json has no scores of validation"):
        model_comparison.compare(two(), "validation", None, SAMPLES)
    with pytest.raises(InputError, match=r"--metric acuracy: .*did you mean 'accuracy'"):
        model_comparison.compare(two(), None, "acuracy", SAMPLES)
    found = model_comparison.compare(two(), None, "mcc", SAMPLES)
    assert found.main == found.comparisons[0].differences[0].metric == "mcc"
