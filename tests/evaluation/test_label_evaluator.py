"""Labels and numbers, window by window, from made-up logits."""

import csv
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from datasets import Dataset

from temper import metrics
from temper.evaluation.label_evaluator import LabelEvaluator

RANDOM = np.random.default_rng(5)
NAMES = ["a", "b", "c"]
KINDS = {"classification": "class", "multi_label": "classes", "regression": "number"}


def evaluator(module, logits, labels, **changes):
    """Return an evaluator of validation, whose predictor yields seven rows at a time."""
    examples = Dataset.from_dict({"label": labels})

    def chunks(features, examples):
        for start in range(0, len(logits), 7):
            rows = examples.select(range(start, min(start + 7, len(logits))))
            yield start, list(logits[start : start + 7]), rows

    names = [] if module == "regression" else NAMES
    task = SimpleNamespace(
        label_names=names, params=SimpleNamespace(target=("label", KINDS[module]))
    )
    settings = {"metrics": None, "positive_label": None, "threshold": 0.5, "bootstrap_samples": 50}
    parameters = SimpleNamespace(
        seed=1,
        task=SimpleNamespace(metrics=module),
        model=SimpleNamespace(new_tokens=None),
        evaluate=SimpleNamespace(**settings | changes),
        code={},
    )
    splits = {"validation": examples}
    predictor = SimpleNamespace(task=task, predictions_by_chunk=chunks)
    return LabelEvaluator(predictor, parameters, splits, splits, Path())


@pytest.mark.parametrize("module", KINDS)
def test_scores_of_windows_are_those_of_all_rows(module, tmp_path):
    """They are the metrics of all logits at once, and each row is written once."""
    logits = RANDOM.normal(size=(40, 1 if module == "regression" else 3)).astype(np.float32)
    if module == "classification":
        labels = references = RANDOM.integers(0, 3, 40)
    elif module == "regression":
        labels = references = RANDOM.normal(size=40)
    else:
        references = RANDOM.random((40, 3)) < 0.4
        labels = [np.flatnonzero(row).tolist() for row in references]
    evaluate = evaluator(module, logits, labels)
    result = evaluate.score("validation", tmp_path / "validation.csv")
    expected = metrics.compute_from_logits(module, logits, references)
    assert evaluate.scores(result) == pytest.approx(expected)
    bounds = evaluate.intervals(result.stats)
    assert bounds.keys() == {f"{n}_{s}" for n in evaluate.headline for s in ("low", "high")}
    with (tmp_path / "validation.csv").open() as file:
        assert [int(row["row"]) for row in csv.DictReader(file)] == list(range(40))


def test_rows_without_labels_are_predicted_and_not_scored(tmp_path):
    """-1 is no label."""
    evaluate = evaluator("classification", RANDOM.normal(size=(9, 3)), [-1] * 9)
    assert evaluate.score("validation", tmp_path / "validation.csv").stats is None
    assert len((tmp_path / "validation.csv").read_text().splitlines()) == 10


def test_tuned_thresholds_are_those_of_validation(tmp_path, monkeypatch):
    """The logits are mapped from a file beside the output, which leaves no trace."""
    folders, temporary_file = [], tempfile.TemporaryFile

    def recorded(*, dir):
        folders.append(dir)
        return temporary_file(dir=dir)

    monkeypatch.setattr(tempfile, "TemporaryFile", recorded)
    references = RANDOM.random((40, 3)) < 0.4
    logits = (references + RANDOM.normal(size=(40, 3))).astype(np.float32)
    labels = [np.flatnonzero(row).tolist() for row in references]
    evaluate = evaluator("multi_label", logits, labels, threshold="tuned")
    result = evaluate.score("validation", tmp_path / "validation.csv")
    module = metrics.load("multi_label")
    probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    assert evaluate.threshold == pytest.approx(module.tune_thresholds(probabilities, references))
    expected = metrics.compute_from_logits(
        "multi_label", logits, references, threshold=evaluate.threshold
    )
    assert evaluate.scores(result) == pytest.approx(expected)
    evaluate.write_thresholds(tmp_path)
    assert folders == [tmp_path]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["thresholds.json", "validation.csv"]
