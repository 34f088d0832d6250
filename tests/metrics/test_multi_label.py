"""Multi-label scores are scikit-learn's; tuned thresholds are the best of the grid."""

import numpy as np
import pytest
import sklearn.metrics as reference

from temper import metrics
from temper.metrics import multi_label

RANDOM = np.random.default_rng(3)


def test_multi_label_scores_are_scikit_learns():
    """Micro, macro and exact-match scores use a threshold per label."""
    logits, wanted = RANDOM.normal(size=(150, 4)), RANDOM.integers(0, 2, (150, 4))
    threshold = np.array([0.3, 0.5, 0.6, 0.4])
    found = metrics.compute_from_logits("multi_label", logits, wanted, threshold=threshold)
    probabilities = 1 / (1 + np.exp(-logits))
    predicted = (probabilities >= threshold).astype(int)
    assert found["f1_micro"] == pytest.approx(
        reference.f1_score(wanted, predicted, average="micro")
    )
    assert found["f1_macro"] == pytest.approx(
        reference.f1_score(wanted, predicted, average="macro")
    )
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(wanted, predicted))
    assert found["roc_auc"] == pytest.approx(reference.roc_auc_score(wanted, probabilities))


def test_tuned_thresholds_are_the_best_of_the_grid():
    """No other threshold of a label has a higher F1 on the same rows."""
    probabilities, wanted = RANDOM.random((80, 3)), RANDOM.integers(0, 2, (80, 3))
    tuned = multi_label.tune_thresholds(probabilities, wanted)
    for label in range(3):
        best = reference.f1_score(wanted[:, label], probabilities[:, label] >= tuned[label])
        for other in np.linspace(0.05, 0.95, 19):
            assert (
                best
                >= reference.f1_score(wanted[:, label], probabilities[:, label] >= other) - 1e-6
            )
