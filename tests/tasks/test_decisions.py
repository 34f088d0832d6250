"""Temperature first, then thresholds of labels, then the least confidence of an answer."""

import numpy as np
import pytest

from temper.core.errors import InputError
from temper.params.decisions import Abstain, OperatingPoint
from temper.tasks.base import decisions, label_predictions
from temper.tasks.base.decisions import DecisionRule
from tests.helpers.workspace import ROOT

CHANCES = np.array([[0.6, 0.3, 0.1], [0.5, 0.2, 0.3], [0.1, 0.2, 0.7]])
NAMES = ["a", "b", "c"]


def columns(kind, rule):
    return label_predictions.prediction_columns(list(np.log(CHANCES)), NAMES, kind, rule)


def test_a_label_needs_its_threshold_and_the_likeliest_other_stands_in():
    """At 0.6 exactly it is predicted; the score is the prediction's, not the highest."""
    rule = DecisionRule(several=False, point=(0, 0.6))
    assert rule.predictions(CHANCES).tolist() == [0, 2, 2]
    found = columns("class", DecisionRule(several=False, point=(0, 0.55)))
    assert found["prediction"] == ["a", "c", "c"]
    assert found["score"] == [0.6, 0.3, 0.7]
    low = DecisionRule(several=False, point=(1, 0.15))
    assert low.predictions(CHANCES).tolist() == [1, 1, 1]


def test_one_of_several_labels_has_its_own_threshold():
    rule = DecisionRule(several=True, threshold=np.array([0.5, 0.5, 0.6]), point=(1, 0.15))
    assert rule.predictions(CHANCES).tolist() == [[1, 1, 0], [1, 1, 0], [0, 1, 1]]
    confidence = rule.confidence(CHANCES, rule.predictions(CHANCES))
    assert confidence == pytest.approx([0.6 * 0.3 * 0.9, 0.5 * 0.2 * 0.7, 0.9 * 0.2 * 0.7])


def test_an_unsure_row_has_no_prediction():
    """Its probabilities are written all the same."""
    rule = DecisionRule(several=False, min_confidence=0.55)
    found = columns("class", rule)
    assert found["prediction"] == ["a", "", "c"]
    assert found["abstained"] == [False, True, False]
    assert found["score_a"] == [0.6, 0.5, 0.1]
    assert "abstained" not in columns("class", DecisionRule(several=False))


def test_a_row_without_a_number_for_its_confidence_is_left_unanswered():
    """NaN is below no threshold, and above none."""
    rule = DecisionRule(several=False, min_confidence=0.5)
    assert rule.abstains(np.array([0.6, np.nan, 0.5])).tolist() == [False, True, False]


def test_a_temperature_comes_before_the_thresholds():
    """At 2, 0.6, 0.3 and 0.1 become the shares of their square roots."""
    roots = np.sqrt(CHANCES) / np.sqrt(CHANCES).sum(1, keepdims=True)
    rule = DecisionRule(several=False, temperature=2.0, point=(0, 0.55), min_confidence=0.5)
    found = columns("class", rule)
    assert np.stack([found[f"score_{n}"] for n in NAMES], 1) == pytest.approx(roots, abs=1e-6)
    assert found["prediction"] == ["", "", "c"]
    several = DecisionRule(several=True, temperature=2.0)
    expected = 1 / (1 + np.exp(-np.log(CHANCES) / 2))
    assert several.probabilities(np.log(CHANCES)) == pytest.approx(expected)


def test_targets_that_are_not_found_yet_decide_nothing(monkeypatch):
    from temper import params

    monkeypatch.chdir(ROOT)
    evaluate = params.load().evaluate.model_copy(
        update={
            "temperature": "tuned",
            "operating_point": OperatingPoint(label="a", precision=0.9),
            "abstain": Abstain(coverage=0.9),
        }
    )
    assert decisions.read(evaluate, NAMES, several=False) == DecisionRule(several=False)
    given = evaluate.model_copy(
        update={
            "temperature": 2,
            "operating_point": OperatingPoint(label="b", threshold=0.9),
            "abstain": Abstain(threshold=0.8),
        }
    )
    assert decisions.read(given, NAMES, several=False) == DecisionRule(
        several=False, temperature=2, point=(1, 0.9), min_confidence=0.8
    )
    with pytest.raises(InputError, match="'b' is not a label of the model"):
        decisions.read(given, ["a", "c"], several=False)
