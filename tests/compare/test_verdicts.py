"""One model is better, worse or not to be told from another."""

import math
import re

import pytest

from temper.compare import model_comparison, verdicts
from temper.prediction import drift
from tests.helpers.comparisons import SAMPLES, TEXTS, WANTED, WORSE, flipped, labelled, model, two


def test_a_better_model_is_called_better():
    """The numbers are those of the counts, and rows that changed sides are listed."""
    found = model_comparison.compare(two(), None, None, SAMPLES)
    [one] = found.comparisons
    main = one.differences[0]
    assert (main.metric, main.value) == ("accuracy", pytest.approx(50 / 600))
    spread = math.sqrt((60 + 10) / 600 - (50 / 600) ** 2) / math.sqrt(600)
    assert main.low == pytest.approx(50 / 600 - 1.96 * spread, abs=0.003)
    assert main.high == pytest.approx(50 / 600 + 1.96 * spread, abs=0.003)
    assert (one.mcnemar.gained, one.mcnemar.lost) == (60, 10)
    better, worse = one.changed
    assert (better.count, worse.count, one.num_same) == (60, 10, 530)
    assert {row[0] for row in worse.table.rows} == {str(i) for i in range(590, 600)}
    assert better.table.head == ["row", "sentence1", "sentence2", "true", "a", "b"]
    predicted = ["not_equivalent", "equivalent (0.90)", "not_equivalent (0.90)"]
    assert better.table.rows[0] == ["40", "first 40", "second 40", *predicted]
    text = verdicts.verdict(one, found)
    assert re.fullmatch(
        r"b vs a: significantly better on 600 test rows \(accuracy \+0\.083, "
        r"95 % CI \+0\.05\d to \+0\.1\d\d, p < 0\.001\)",
        text,
    )
    assert verdicts.changed_rows(one, found).startswith(
        "from a to b, 60 rows become right and 10 wrong; 530 of 600 predictions are the same (McN"
    )


def test_swapped_models_are_called_worse():
    """A difference that the rows cannot show is called so, with the number of rows that could."""
    found = model_comparison.compare(two()[::-1], None, None, SAMPLES)
    assert verdicts.verdict(found.comparisons[0], found).startswith(
        "a vs b: significantly worse on 600 test rows (accuracy -0.083"
    )
    near = model("c", labelled(WANTED, flipped(WANTED, range(3, 102))), TEXTS)
    found = model_comparison.compare([two()[0], near], None, None, SAMPLES)
    text = verdicts.verdict(found.comparisons[0], found)
    assert text.startswith("c vs a: not significant on 600 test rows (accuracy +0.0")
    assert re.search(r"; detectable from about 0\.00\d\)$", text)
    same = model_comparison.compare(
        [two()[0], model("d", labelled(WANTED, WORSE))], None, None, SAMPLES
    )
    assert (
        verdicts.verdict(same.comparisons[0], same)
        == "d vs a: the same score on each of 600 test rows"
    )


def test_one_row_becomes_right():
    """The count of one has its verb."""
    wrong, right = (
        model(n, labelled(WANTED, flipped(WANTED, r))) for n, r in (("a", [3]), ("b", []))
    )
    found = model_comparison.compare([wrong, right], None, None, SAMPLES)
    text = verdicts.changed_rows(found.comparisons[0], found)
    assert text.startswith("from a to b, 1 row becomes right and 0 wrong; 599 of 600")


def test_adjusts_p_values_of_more_than_two_models():
    """What is significant alone may not be among several."""
    other = labelled(WANTED, flipped(WANTED, range(14, 100)))
    models = [*two(), *(model(name, other, TEXTS) for name in "cde")]
    found = model_comparison.compare(models, None, None, SAMPLES)
    assert [one.name for one in found.comparisons] == ["b", "c", "d", "e"]
    for metric in range(len(found.comparisons[0].differences)):
        ps = [one.differences[metric].p for one in found.comparisons]
        adjusted = [one.differences[metric].adjusted for one in found.comparisons]
        assert adjusted == pytest.approx(drift.holm(ps))
    assert "Holm over 4 models" in verdicts.verdict(found.comparisons[0], found)
    assert "Holm-adjusted for 4 models compared with a" in verdicts.method(found)
