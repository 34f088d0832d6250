"""Classification scores are scikit-learn's."""

import numpy as np
import pytest
import sklearn.metrics as reference

from temper import metrics
from temper.metrics import aggregates, classification

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("classes", [2, 5])
def test_classification_scores_are_scikit_learns(classes):
    """Two labels are scored by the positive one, more by macro averages."""
    logits, wanted = RANDOM.normal(size=(200, classes)), RANDOM.integers(0, classes, 200)
    positive = 0 if classes == 2 else None
    found = metrics.compute_from_logits("classification", logits, wanted, positive=positive)
    predicted, probabilities = logits.argmax(1), classification.softmax(logits)
    options = {"average": "macro"} if classes > 2 else {"pos_label": 0}
    expected = {
        "accuracy": reference.accuracy_score(wanted, predicted),
        "precision": reference.precision_score(wanted, predicted, **options),
        "recall": reference.recall_score(wanted, predicted, **options),
        "f1": reference.f1_score(wanted, predicted, **options),
        "f1_macro": reference.f1_score(wanted, predicted, average="macro"),
        "f1_weighted": reference.f1_score(wanted, predicted, average="weighted"),
        "mcc": reference.matthews_corrcoef(wanted, predicted),
        "log_loss": reference.log_loss(wanted, probabilities),
        "roc_auc": reference.roc_auc_score(wanted == 0, probabilities[:, 0])
        if classes == 2
        else reference.roc_auc_score(wanted, probabilities, multi_class="ovr"),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name


@pytest.mark.parametrize("decimals", [0, 1, 12])
def test_area_under_roc_counts_a_tie_half(decimals):
    """With rounded scores most pairs are ties."""
    scores, is_positive = RANDOM.random(300).round(decimals), RANDOM.random(300) < 0.3
    found = aggregates.area_under_roc(scores, is_positive)
    assert found == pytest.approx(reference.roc_auc_score(is_positive, scores), abs=1e-14)


def test_calibration_error_matches_a_hand_made_example():
    """Two bins have confidence 0.95 and 0.55, and accuracy 1/2 and 1."""
    found = classification.calibration_error(
        np.array([0.95, 0.95, 0.55]), np.array([True, False, True])
    )
    assert found == pytest.approx((2 * abs(0.5 - 0.95) + abs(1 - 0.55)) / 3)
