"""Scores against scikit-learn, SciPy and numbers worked out by hand."""

from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics as reference

from temper import metrics
from temper.core.errors import InputError
from temper.metrics import classification, multi_label

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("classes", [2, 5])
def test_classification_scores_are_scikit_learns(classes):
    """Binary about the positive label, macro for more."""
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


def test_regression_scores():
    """Against NumPy's own correlation and a hand-made error."""
    found, wanted = RANDOM.normal(size=60), RANDOM.normal(size=60)
    scores = metrics.compute_from_logits("regression", found[:, None], wanted)
    assert scores["mse"] == pytest.approx(np.mean((found - wanted) ** 2))
    assert scores["pearson"] == pytest.approx(np.corrcoef(found, wanted)[0, 1])
    ranks = [np.argsort(np.argsort(values)) for values in (found, wanted)]
    assert scores["spearman"] == pytest.approx(np.corrcoef(*ranks)[0, 1])


def test_an_unknown_metric_is_named_with_the_nearest():
    """metric_for_best_model: acuracy."""
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
    assert found == pytest.approx(metrics.compute_from_logits("classification", logits, wanted))


# -- scores that are functions of sums -----------------------------------------------------------

SOURCES = ["the cat sat on the mat .", "hello there , general Kenobi !", "a b c d e f", ""]
TARGETS = ["a cat sat on the mat .", "hello there , general", "a b c d x f", "something"]


def test_entity_scores_are_seqevals():
    """Over sentences of every kind, per type as well."""
    from seqeval.metrics import classification_report, f1_score, precision_score, recall_score

    tags = ["O", "B-X", "I-X", "B-Y", "I-Y"]
    random = np.random.default_rng(4)
    wanted = [[tags[i] for i in random.integers(0, 5, 12)] for _ in range(40)]
    found = [
        [tag if random.random() < 0.8 else tags[random.integers(0, 5)] for tag in row]
        for row in wanted
    ]
    scores = metrics.compute_from_predictions("entities", found, wanted)
    assert scores["f1"] == pytest.approx(f1_score(wanted, found))
    assert scores["precision"] == pytest.approx(precision_score(wanted, found))
    assert scores["recall"] == pytest.approx(recall_score(wanted, found))
    module = metrics.load("entities")
    counts = module.no_counts()
    module.count(counts, found[:20], wanted[:20])
    module.count(counts, found[20:], wanted[20:])
    report = classification_report(wanted, found, output_dict=True)
    for row in module.per_class(counts):
        assert row["f1"] == pytest.approx(report[row["label"]]["f1-score"], abs=1e-6)
        assert row["support"] == report[row["label"]]["support"]


def test_text_scores_are_sacrebleus_and_rouges():
    """Corpus BLEU and chrF from sums of examples; ROUGE as the mean of theirs."""
    import sacrebleu
    from rouge_score.rouge_scorer import RougeScorer

    scores = metrics.compute_from_predictions("summarization", SOURCES, TARGETS)
    assert scores["bleu"] == pytest.approx(sacrebleu.corpus_bleu(SOURCES, [TARGETS]).score)
    assert scores["chrf"] == pytest.approx(sacrebleu.corpus_chrf(SOURCES, [TARGETS]).score)
    scorer = RougeScorer(["rouge2", "rougeL"], use_stemmer=True)
    for name in ("rouge2", "rougeL"):
        each = [scorer.score(t, s)[name].fmeasure for s, t in zip(SOURCES, TARGETS, strict=True)]
        assert scores[name] == pytest.approx(np.mean(each))
    assert metrics.compute_from_predictions("translation", TARGETS, TARGETS)["exact_match"] == 1


def test_answers_are_scored_as_squad_does():
    """Articles, case and punctuation count nothing; the best of several; silence."""
    wanted = [
        {"text": ["the Eiffel Tower", "Eiffel tower in Paris"]},
        {"text": ["in 1999"]},
        {"text": []},
        {"text": []},
        {"text": ["Oslo"]},
    ]
    scores = metrics.compute_from_predictions(
        "answers", ["Eiffel Tower!", "1999", "", "Oslo", ""], wanted
    )
    assert scores["exact_match"] == pytest.approx(2 / 5)
    assert scores["f1"] == pytest.approx((1 + 2 / 3 + 1 + 0 + 0) / 5)


def test_perplexity_and_completions_by_hand():
    """Of all tokens together, not a mean of texts; a baseline without probabilities has none."""
    scores = metrics.compute_from_predictions("language", [(2.0, 1, 2), (4.0, 2, 4)], [None, None])
    assert scores == {"perplexity": pytest.approx(np.e), "accuracy": pytest.approx(0.5)}
    tokens = np.array([3.0, 1, 3])
    scores = metrics.compute_from_predictions(
        "completions", [("yes ", tokens), ("no", tokens)], ["yes", "yes"]
    )
    assert scores["exact_match"] == 0.5
    assert scores["perplexity"] == pytest.approx(np.e)
    assert np.isnan(
        metrics.compute_from_predictions("completions", [("yes", None)], ["yes"])["perplexity"]
    )
    assert metrics.compute_from_predictions("choices", [0, 2, 1], [0, 1, 1])[
        "accuracy"
    ] == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", metrics.MODULES[3:])
def test_the_worst_example_is_the_worst(name):
    """Each module ranks a right prediction behind a wrong one."""
    right, wrong, reference = {
        "entities": (["B-X"], ["O"], ["B-X"]),
        "answers": ("Oslo", "Rome", {"text": ["Oslo"]}),
        "choices": (1, 0, 1),
        "language": ((1.0, 1, 2), (9.0, 0, 2), None),
        "completions": (("yes", np.ones(3)), ("no", np.ones(3)), "yes"),
    }.get(name, ("a cat sat here", "dogs", "a cat sat here"))
    module = metrics.load(name)
    example_loss = module.example_loss(module.per_example_stats([right, wrong], [reference] * 2))
    assert example_loss[1] > example_loss[0]
    assert module.HEADLINE[0] in module.GREATER_IS_BETTER
