"""Labels and numbers, window by window, from made-up logits."""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from datasets import Dataset

from temper import metrics
from temper.core import artifacts
from temper.core.errors import InputError
from temper.evaluation import decision_table
from temper.evaluation.label_evaluator import LabelEvaluator
from temper.params.decisions import Abstain, OperatingPoint
from tests.helpers.tables import read_csv

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
    settings |= dict.fromkeys(("temperature", "operating_point", "abstain"))
    parameters = SimpleNamespace(
        seed=1,
        task=SimpleNamespace(metrics=module),
        model=SimpleNamespace(new_tokens=None),
        data=SimpleNamespace(extra_columns=[]),
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
    rows = read_csv(tmp_path / "validation.csv")
    assert [int(row["row"]) for row in rows] == list(range(40))


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
    assert evaluate.rule.threshold == pytest.approx(
        module.tune_thresholds(probabilities, references)
    )
    expected = metrics.compute_from_logits(
        "multi_label", logits, references, threshold=evaluate.rule.threshold
    )
    assert evaluate.scores(result) == pytest.approx(expected)
    evaluate.write_decisions(tmp_path, {})
    assert folders == [tmp_path]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["thresholds.json", "validation.csv"]


def decided(module, tmp_path, rows=200, signal=2.0, **changes):
    """Return an evaluator, its scores of validation, references and the written predictions."""
    random = np.random.default_rng(3)
    if module == "classification":
        labels = references = random.integers(0, 3, rows)
        logits = np.eye(3)[labels] * signal
    else:
        references = random.random((rows, 3)) < 0.4
        labels = [np.flatnonzero(row).tolist() for row in references]
        logits = references * signal - 1.0
    logits = (logits + random.normal(size=(rows, 3))).astype(np.float32)
    evaluate = evaluator(module, logits, labels, **changes)
    result = evaluate.score("validation", tmp_path / "validation.csv")
    scores = evaluate.scores(result) | evaluate.decision_scores(result)
    return evaluate, scores, references, read_csv(tmp_path / "validation.csv")


@pytest.mark.parametrize("module", ["classification", "multi_label"])
def test_decisions_are_scored_as_scikit_learn_scores_what_is_written(module, tmp_path):
    """Temperature, operating point and abstention together, on the rows they are found on."""
    from sklearn.metrics import precision_score, recall_score

    changes = {
        "temperature": "tuned",
        "operating_point": OperatingPoint(label="b", precision=0.9),
        "abstain": Abstain(accuracy=0.9),
    }
    evaluate, found, references, rows = decided(module, tmp_path, **changes)
    predicted = ["b" in row["prediction"].split("|") for row in rows]
    holds = references == 1 if module == "classification" else references[:, 1]
    assert found["operating_precision"] == pytest.approx(precision_score(holds, predicted))
    assert found["operating_recall"] == pytest.approx(recall_score(holds, predicted))
    rate = np.array(predicted)[~holds].mean()
    assert found["operating_false_positive_rate"] == pytest.approx(rate)
    assert found["operating_precision"] >= 0.9
    assert found["operating_precision_low"] < found["operating_precision"]
    right = np.array([row["prediction"] == row["reference"] for row in rows])
    answered = np.array([row["abstained"] == "False" for row in rows])
    assert found["coverage"] == pytest.approx(answered.mean())
    assert found["coverage_low"] < found["coverage"] < found["coverage_high"]
    assert found["selective_accuracy"] == pytest.approx(right[answered].mean())
    assert found["selective_accuracy"] >= 0.9 > found["accuracy"] == pytest.approx(right.mean())
    assert evaluate.rule.temperature != 1
    chances = np.array(
        [float(row[f"score_{row['reference']}"]) for row in rows if module[0] == "c"]
    )
    assert not len(chances) or found["log_loss"] == pytest.approx(-np.log(chances).mean(), abs=1e-5)
    assert found["log_loss"] < found["log_loss_unscaled"]
    plain = evaluator(
        module,
        np.concatenate([chunk for _, chunk, _ in evaluate.outputs_by_chunk("validation")]),
        evaluate.raw["validation"]["label"][:],
    )
    without = plain.scores(plain.score("validation", tmp_path / "plain.csv"))
    assert found["log_loss_unscaled"] == pytest.approx(without["log_loss"])


def test_found_decisions_are_written_and_said(tmp_path, capsys):
    """What an export decides by, what is out of reach, and a table; nothing where all are off."""
    point = OperatingPoint(label="c", precision=1.0)
    abstain = Abstain(coverage=0.8)
    evaluate, scores, _, _ = decided(
        "classification", tmp_path, signal=-2.0, operating_point=point, abstain=abstain
    )
    evaluate.write_decisions(tmp_path, {"validation": scores})
    found = artifacts.read_json(tmp_path / "decisions.json")
    assert found["evaluate"] == {"abstain": {"threshold": evaluate.rule.min_confidence}}
    assert found["unreached"]["operating_point"].startswith(
        "c: no threshold has precision ≥ 1 on validation; the highest is 0.3"
    )
    assert f"evaluate.operating_point: {found['unreached']['operating_point']}" in (
        capsys.readouterr().out
    )
    assert "operating_precision" not in scores
    assert [line[1] for line in found["table"]] == [
        "rows answered", "their accuracy", "accuracy of all rows", "AURC",
    ]  # fmt: skip
    lines = decision_table.text_table(decision_table.read(tmp_path)).rows
    assert lines[0][0].endswith(": rows answered")
    assert [line[0] for line in lines[1:]] == [
        "… their accuracy",
        "… accuracy of all rows",
        "… AURC",
    ]
    assert [line[1] for line in lines[1:]] == [
        f"{scores[name]:.3f}" for name in ("selective_accuracy", "accuracy", "aurc")
    ]
    plain, scores, _, _ = decided("classification", tmp_path)
    (tmp_path / "off").mkdir()
    plain.write_decisions(tmp_path / "off", {"validation": scores})
    assert list((tmp_path / "off").iterdir()) == []
    assert not {"coverage", "aurc", "operating_precision", "log_loss_unscaled"} & scores.keys()


def test_what_is_found_on_validation_needs_its_labels():
    """Labels at all, and those that the operating point is about."""
    point = OperatingPoint(label="c", recall=0.9)
    with pytest.raises(InputError, match=r"no labelled validation split, but evaluate\.opera"):
        evaluator("classification", RANDOM.normal(size=(9, 3)), [-1] * 9, operating_point=point)
    for labels, which in (([0] * 9, "no row"), ([2] * 9, "every row")):
        logits = RANDOM.normal(size=(9, 3))
        evaluate = evaluator("classification", logits, labels, operating_point=point)
        with pytest.raises(InputError, match=f"{which} of validation has the label 'c'"):
            _ = evaluate.rule
