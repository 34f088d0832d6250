"""data/evaluation says what the predictions say, whatever the labels are."""

import json
from pathlib import Path

import numpy as np
import pytest

from temper.cli import predict
from temper.core import artifacts
from temper.core.errors import InputError
from temper.prediction.predictor import Predictor
from tests.helpers import stage_runs
from tests.helpers.evaluation import untrained
from tests.helpers.tables import read_csv


def rows_of(kind, count, random):
    """Return rows whose label shows in their words."""
    for i in range(count):
        words = " ".join(random.choice(["red", "old", "lunch", "opened", "never"], 4))
        if kind == "regression":
            yield {"text": words, "label": words.count("red") + 0.5, "topic": "xy"[i % 2]}
        elif kind == "multi_label_classification":
            yield {
                "text": words,
                "label": [n for n in ("red", "old", "never") if n in words],
                "topic": "xy"[i % 2],
            }
        else:
            yield {"text": words, "label": int("red" in words), "topic": "xy"[i % 2]}


@pytest.fixture
def run_stage(prepare, tmp_path):
    def run(kind, labels, tokenize_only=False, **changes):
        random = np.random.default_rng(2)
        for split, count in (("train", 60), ("validation", 40), ("test", 40)):
            lines = [json.dumps(row) + "\n" for row in rows_of(kind, count, random)]
            (tmp_path / f"{split}.jsonl").write_text("".join(lines))
        taught = changes.pop("taught", None)
        parameters = prepare(
            task__text=["text"],
            task__problem_type=kind,
            task__labels=labels,
            evaluate__positive_label=changes.pop("positive", None),
            data__files={s: f"{s}.jsonl" for s in ("train", "validation", "test")},
            data__extra_columns=["topic"],
            evaluate__slices=["topic"],
            **changes,
        )
        untrained(parameters)
        if taught is not None:
            artifacts.write_json(Path("data/model") / artifacts.TAUGHT_FILE, taught)
        stage_runs.evaluate()
        return artifacts.read_json(Path("data/evaluation/metrics.json"))

    return run


def read_predictions(split="test"):
    return read_csv(f"data/evaluation/predictions/{split}.csv")


@pytest.mark.slow
def test_scores_of_single_texts_match_scikit_learn(run_stage):
    """Accuracy and F1 are recomputed from predictions/test.csv.

    The report names a teacher, and an extra column beside the numbers of the worst rows.
    """
    from sklearn.metrics import accuracy_score, f1_score

    teacher = {"name": "large", "sha256": {"model.safetensors": "0123"}}  # a local one
    taught = {"teachers": {"big": teacher}, "weight": 0.5, "temperature": 2.0}
    labels = ["no", "yes"]
    found = run_stage("single_label_classification", labels, positive="yes", taught=taught)
    rows = read_predictions()
    wanted, predicted = [r["reference"] for r in rows], [r["prediction"] for r in rows]
    assert found["test"]["accuracy"] == pytest.approx(accuracy_score(wanted, predicted), abs=1e-6)
    assert found["test"]["f1"] == pytest.approx(
        f1_score(wanted, predicted, pos_label="yes", zero_division=0), abs=1e-6
    )
    assert found["baseline"]["tfidf_logistic_regression"]["test"]["accuracy"] > 0.9
    for row in rows:
        assert float(row["score"]) == pytest.approx(
            max(float(row["score_no"]), float(row["score_yes"])), abs=1e-6
        )
    page = Path("data/evaluation/report.html").read_text()
    assert "<script" not in page
    assert "<td>big</td><td>large</td>" in page
    for heading in ("Confusion matrix", "Curves", "Per label", "Worst examples"):
        assert f"<h2>{heading} on test</h2>" in page
    worst = read_csv("data/evaluation/worst.csv")
    assert {row["topic"] for row in worst} == {"x", "y"}
    for row in worst:
        topic = "xy"[int(row["row"]) % 2]
        assert row["topic"] == topic
        assert f'<td>{row["row"]}<br>\n    <span class="soft">{topic}</span></td>' in page
    assert "<th>row, topic</th>" in page


@pytest.mark.slow
def test_multi_label_scores_match_scikit_learn(run_stage, monkeypatch):
    """Micro F1 is recomputed from predictions/test.csv, and tuned thresholds are stored.

    Every split is predicted once, validation too, which the thresholds are tuned on.
    """
    predict_chunks, predicted_rows = Predictor.predictions_by_chunk, []

    def counted(self, features, examples):
        predicted_rows.append(len(examples))
        return predict_chunks(self, features, examples)

    monkeypatch.setattr(Predictor, "predictions_by_chunk", counted)
    found = run_stage(
        "multi_label_classification", ["never", "old", "red"], evaluate__threshold="tuned"
    )
    assert predicted_rows == [40, 40, 60]  # validation, test, training rows
    rows = read_predictions()
    pairs = [(set(r["reference"].split("|")), set(r["prediction"].split("|"))) for r in rows]
    hit = sum(len(wanted & got - {""}) for wanted, got in pairs)
    total = sum(len(wanted - {""}) + len(got - {""}) for wanted, got in pairs)
    assert found["test"]["f1_micro"] == pytest.approx(2 * hit / total, abs=1e-6)
    assert set(artifacts.read_json(Path("data/evaluation/thresholds.json"))) == {
        "never",
        "old",
        "red",
    }
    stage_runs.export()
    predict.predict(
        Path("data/export"), Path("test.jsonl"), Path("new.csv"), "onnx", 256, num_threads=1
    )
    found_anew = read_csv("new.csv")
    assert [r["prediction"] for r in found_anew] == [r["prediction"] for r in rows]
    held = [("never" in r["prediction"].split("|"), float(r["score_never"])) for r in found_anew]
    assert any(said != (chance >= 0.5) for said, chance in held)  # 0.5 would say otherwise


@pytest.mark.slow
def test_regression_scores_match_numpy(run_stage):
    """Errors and correlation are recomputed from predictions/test.csv."""
    found = run_stage("regression", None, train__metric_for_best_model="mse")
    rows = read_predictions()
    wanted, predicted = (np.array([float(r[k]) for r in rows]) for k in ("reference", "prediction"))
    assert found["test"]["mse"] == pytest.approx(np.mean((wanted - predicted) ** 2), rel=1e-4)
    assert found["test"]["pearson"] == pytest.approx(np.corrcoef(wanted, predicted)[0, 1], abs=1e-3)
    assert found["baseline"]["mean"]["test"]["mse"] > 0


@pytest.mark.slow
def test_a_split_without_labels_is_predicted_and_not_scored(prepare):
    """Two runs give the same bytes."""
    prepare()
    text = Path("tests/data/test.csv").read_text()
    Path("unlabelled.csv").write_text(
        text.replace("not_equivalent", "-1").replace(",equivalent", ",-1")
    )
    files = {s: f"tests/data/{s}.csv" for s in ("train", "validation")} | {"test": "unlabelled.csv"}
    untrained(prepare(data__files=files))
    stage_runs.evaluate()
    found = artifacts.read_json(Path("data/evaluation/metrics.json"))
    assert "test" not in found
    assert "accuracy" in found["validation"]
    assert len(read_predictions("test")) == text.count("\n") - 1
    stage_runs.evaluate(Path("data/again"))
    assert artifacts.sha256_tree(Path("data/evaluation")) == artifacts.sha256_tree(
        Path("data/again")
    )


@pytest.mark.slow
def test_refuses_a_model_with_other_labels(prepare):
    """The error shows both orders."""
    untrained(prepare())
    settings = json.loads(Path("data/model/config.json").read_text())
    settings["id2label"] = {"0": "equivalent", "1": "not_equivalent"}
    Path("data/model/config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match="model's labels are equivalent, not_equivalent"):
        stage_runs.evaluate()
