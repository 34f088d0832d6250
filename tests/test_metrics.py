"""Scores against scikit-learn, SciPy and numbers worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics as reference

from stages import metrics
from stages.errors import InputError
from stages.metrics import classification, multi_label

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("classes", [2, 5])
def test_classification_scores_are_scikit_learns(classes):
    """Binary about the positive label, macro for more."""
    logits, wanted = RANDOM.normal(size=(200, classes)), RANDOM.integers(0, classes, 200)
    positive = 0 if classes == 2 else None
    found = metrics.compute("classification", logits, wanted, positive=positive)
    predicted, chances = logits.argmax(1), classification.probabilities(logits)
    options = {"average": "macro"} if classes > 2 else {"pos_label": 0}
    expected = {
        "accuracy": reference.accuracy_score(wanted, predicted),
        "precision": reference.precision_score(wanted, predicted, **options),
        "recall": reference.recall_score(wanted, predicted, **options),
        "f1": reference.f1_score(wanted, predicted, **options),
        "f1_macro": reference.f1_score(wanted, predicted, average="macro"),
        "f1_weighted": reference.f1_score(wanted, predicted, average="weighted"),
        "mcc": reference.matthews_corrcoef(wanted, predicted),
        "log_loss": reference.log_loss(wanted, chances),
        "roc_auc": reference.roc_auc_score(wanted == 0, chances[:, 0])
        if classes == 2
        else reference.roc_auc_score(wanted, chances, multi_class="ovr"),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name


def test_calibration_error_by_hand():
    """Two bins: 0.95 said, 1 of 2 right; 0.55 said, 1 of 1 right."""
    found = classification.calibration_error(
        np.array([0.95, 0.95, 0.55]), np.array([True, False, True])
    )
    assert found == pytest.approx((2 * abs(0.5 - 0.95) + abs(1 - 0.55)) / 3)


def test_multi_label_scores_are_scikit_learns():
    """Micro, macro and all-right accuracy at a threshold per label."""
    logits, wanted = RANDOM.normal(size=(150, 4)), RANDOM.integers(0, 2, (150, 4))
    threshold = np.array([0.3, 0.5, 0.6, 0.4])
    found = metrics.compute("multi_label", logits, wanted, threshold=threshold)
    chances = 1 / (1 + np.exp(-logits))
    predicted = (chances >= threshold).astype(int)
    assert found["f1_micro"] == pytest.approx(
        reference.f1_score(wanted, predicted, average="micro")
    )
    assert found["f1_macro"] == pytest.approx(
        reference.f1_score(wanted, predicted, average="macro")
    )
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(wanted, predicted))
    assert found["roc_auc"] == pytest.approx(reference.roc_auc_score(wanted, chances))


def test_tuned_thresholds_are_the_best_of_the_grid():
    """No other threshold of a label has a higher F1 on the same rows."""
    chances, wanted = RANDOM.random((80, 3)), RANDOM.integers(0, 2, (80, 3))
    tuned = multi_label.tune_thresholds(chances, wanted)
    for label in range(3):
        best = reference.f1_score(wanted[:, label], chances[:, label] >= tuned[label])
        for other in np.linspace(0.05, 0.95, 19):
            assert best >= reference.f1_score(wanted[:, label], chances[:, label] >= other) - 1e-6


def test_regression_scores():
    """Against NumPy's own correlation and a hand-made error."""
    found, wanted = RANDOM.normal(size=60), RANDOM.normal(size=60)
    scores = metrics.compute("regression", found[:, None], wanted)
    assert scores["mse"] == pytest.approx(np.mean((found - wanted) ** 2))
    assert scores["pearson"] == pytest.approx(np.corrcoef(found, wanted)[0, 1])
    ranks = [np.argsort(np.argsort(values)) for values in (found, wanted)]
    assert scores["spearman"] == pytest.approx(np.corrcoef(*ranks)[0, 1])


def test_an_unknown_metric_is_named_with_the_nearest():
    """best_metric: acuracy."""
    with pytest.raises(InputError, match="did you mean 'accuracy'"):
        metrics.greater_is_better("acuracy", "classification")
    assert not metrics.greater_is_better("loss", "regression")


@pytest.mark.slow
def test_evaluate_loads_the_metric_module_by_path(monkeypatch):
    """Without a socket, and with the same numbers."""
    import socket

    import evaluate

    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("used the network"))
    path = Path(metrics.__file__).with_name("module.py")
    logits, wanted = RANDOM.normal(size=(30, 3)), RANDOM.integers(0, 3, 30)
    loaded = evaluate.load(str(path), "classification")
    found = loaded.compute(predictions=logits, references=wanted)
    assert found == pytest.approx(metrics.compute("classification", logits, wanted))
