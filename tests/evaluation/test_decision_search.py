"""A temperature and thresholds are those that scikit-learn, scipy and a sum by hand give."""

import numpy as np
import pytest

from temper.evaluation import decision_search
from temper.evaluation.decision_search import MARGIN

RANDOM = np.random.default_rng(8)


def labelled(rows=400, labels=3, sharpness=1.0, seed=1):
    """Return logits, and labels drawn from the softmax of `logits / sharpness`."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(rows, labels)) * 2 * sharpness
    odds = np.exp(logits / sharpness)
    chances = odds / odds.sum(1, keepdims=True)
    return logits, np.array([random.choice(labels, p=row) for row in chances])


@pytest.mark.parametrize("value", [0.6, 0.8, 0.95])
@pytest.mark.parametrize("target", ["precision", "recall"])
def test_an_operating_point_is_the_best_of_the_precision_recall_curve(target, value):
    """Of scikit-learn's points that meet the target, none has a better other score."""
    from sklearn.metrics import precision_recall_curve, precision_score, recall_score

    holds = RANDOM.random(300) < 0.3
    chances = 1 / (1 + np.exp(-(holds * 1.5 - 1 + RANDOM.normal(size=300))))
    found = decision_search.operating_cut(chances, holds, target, value)
    points = dict(
        zip(("precision", "recall"), precision_recall_curve(holds, chances), strict=False)
    )
    other = "recall" if target == "precision" else "precision"
    meets = points[target][:-1] >= value
    assert found.reaches_target
    assert found.scores[target] >= value
    assert found.scores[other] == pytest.approx(points[other][:-1][meets].max())
    predicted = chances >= found.threshold
    assert found.scores["precision"] == pytest.approx(precision_score(holds, predicted))
    assert found.scores["recall"] == pytest.approx(recall_score(holds, predicted))


def test_a_false_positive_rate_is_that_of_the_roc_curve():
    from sklearn.metrics import roc_curve

    holds = RANDOM.random(300) < 0.3
    chances = 1 / (1 + np.exp(-(holds * 1.5 - 1 + RANDOM.normal(size=300))))
    found = decision_search.operating_cut(chances, holds, "false_positive_rate", 0.05)
    rates, recalls, _ = roc_curve(holds, chances, drop_intermediate=False)
    assert found.scores["recall"] == pytest.approx(recalls[rates <= 0.05].max())
    assert found.scores["false_positive_rate"] == (chances >= found.threshold)[~holds].mean()


def test_rows_whose_probability_is_zero_are_out_of_reach():
    """A threshold has to be above 0; where others suffice, one is found."""
    chances = np.array([0.9, 0.8, 0.0])
    holds = np.array([True, False, True])
    found = decision_search.operating_cut(chances, holds, "recall", 1.0)
    assert not found.reaches_target
    found = decision_search.operating_cut(chances, holds, "recall", 0.5)
    assert found.reaches_target
    assert 0.8 < found.threshold < 0.9


def test_a_target_out_of_reach_gives_the_nearest_cut():
    """The likeliest rows are wrong, so no threshold has a precision above two thirds."""
    chances = np.array([0.9, 0.8, 0.7, 0.4, 0.2])
    holds = np.array([False, True, True, False, False])
    found = decision_search.operating_cut(chances, holds, "precision", 0.9)
    assert not found.reaches_target
    assert found.scores == pytest.approx(
        {"precision": 2 / 3, "recall": 1.0, "false_positive_rate": 1 / 3}
    )
    assert found.threshold == 0.55


def test_a_threshold_moves_no_row_across_by_rounding():
    """It is midway; rows that differ by rounding alone are on one side."""
    chances = np.array([0.9, 0.5 + 2e-7, 0.5, 0.5 - 2e-7, 0.1])
    holds = np.array([True, True, False, False, False])
    found = decision_search.operating_cut(chances, holds, "precision", 0.9)
    assert found.threshold == 0.7
    order, counts = decision_search.cuts(chances)
    assert counts.tolist() == [1, 4, 5]
    logits = RANDOM.normal(size=2000) * 4
    ranked = np.sort(1 / (1 + np.exp(-logits)))[::-1]
    order, counts = decision_search.cuts(ranked)
    assert order.tolist() == list(range(2000))
    for count in counts[:-1]:
        threshold = decision_search.between(ranked[count], ranked[count - 1])
        odds = np.log(threshold / (1 - threshold))
        assert np.abs(np.sort(-logits) + odds).min() > MARGIN / 5


def test_all_rows_can_be_taken_and_certain_ones_have_no_cut_between_them():
    """A recall of 1 takes the least likely row too, with a threshold below it."""
    chances, holds = np.array([1.0, 1.0, 0.2, 1e-9]), np.array([True, False, False, True])
    found = decision_search.operating_cut(chances, holds, "recall", 1.0)
    assert (found.scores["precision"], found.scores["recall"]) == (0.5, 1.0)
    assert 0 < found.threshold < 1e-9
    assert decision_search.cuts(chances)[1].tolist() == [2, 3, 4]


def test_a_confidence_answers_as_many_rows_as_the_accuracy_allows():
    """By hand: the two surest are right, then right, wrong, right, wrong."""
    confidence = np.array([0.95, 0.9, 0.8, 0.7, 0.6, 0.5])
    right = np.array([True, True, False, True, True, False])
    found = decision_search.confidence_cut(confidence, right, "accuracy", 0.79)
    assert (found.threshold, found.scores["coverage"]) == (0.55, pytest.approx(5 / 6))
    assert found.scores["accuracy"] == 0.8
    found = decision_search.confidence_cut(confidence, right, "coverage", 0.5)
    assert (found.threshold, found.scores["accuracy"]) == (0.55, 0.8)
    found = decision_search.confidence_cut(confidence[2:3], right[2:3], "accuracy", 0.5)
    assert not found.reaches_target


def test_the_area_under_risk_coverage_is_the_mean_risk():
    """By hand: the risks of 1, 2, 3 and 4 answers; equals are answered together."""
    right = np.array([True, False, True, True])
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    expected = (0 + 1 / 2 + 1 / 3 + 1 / 4) / 4
    assert decision_search.area_under_risk_coverage(confidence, right) == pytest.approx(expected)
    order = [2, 0, 3, 1]
    shuffled = decision_search.area_under_risk_coverage(confidence[order], right[order])
    assert shuffled == pytest.approx(expected)
    tied = decision_search.area_under_risk_coverage(np.array([0.9, 0.8, 0.8, 0.6]), right)
    assert tied == pytest.approx((0 + 1 / 3 + 1 / 3 + 1 / 4) / 4)
    curve = decision_search.risk_coverage(np.array([0.9, 0.8, 0.8, 0.6]), right)
    assert curve["coverage"].tolist() == [0.25, 0.75, 1.0]


def test_a_temperature_is_where_the_slope_of_the_log_loss_is_zero():
    """The root of the derivative that scipy finds, for one label and for several."""
    from scipy.optimize import brentq
    from scipy.special import expit, softmax

    logits, labels = labelled(sharpness=3.0)
    found, note = decision_search.fit_temperature(logits, labels, seed=1)

    def slope(inverse):
        expected = (softmax(logits * inverse, axis=1) * logits).sum(1)
        return (expected - logits[np.arange(len(labels)), labels]).mean()

    assert found == pytest.approx(1 / brentq(slope, 0.1, 2), abs=1e-3)
    assert 2.4 < found < 3.6  # labels were drawn at 3
    assert note.startswith(f"{found:g}; cross-validated log loss of validation ")
    several = RANDOM.random(logits.shape) < expit(logits / 2)

    def slope_of_several(inverse):
        return ((expit(logits * inverse) - several) * logits).mean()

    found, _ = decision_search.fit_temperature(logits, several, seed=1)
    assert found == pytest.approx(1 / brentq(slope_of_several, 0.1, 2), abs=1e-3)


@pytest.mark.parametrize(
    ("logits", "labels", "reason"),
    [
        (*labelled(rows=60), "does not help; cross-validated log loss"),
        (np.eye(2)[[0, 1] * 20] * 4, np.array([0, 1] * 20), "between 0.1 and 10 is best"),
        (np.eye(2)[[0, 1]], np.array([0, 0]), "2 rows of validation are too few"),
    ],
)
def test_a_temperature_that_does_not_help_is_left_out(logits, labels, reason):
    """Labels drawn from the model itself, rows that are all right, and two rows."""
    found, note = decision_search.fit_temperature(logits, labels, seed=1)
    assert found is None
    assert note.startswith("none: ")
    assert reason in note
