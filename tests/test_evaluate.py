"""data/evaluation says what the predictions say, whatever the kind of labels."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from stages import evaluate, export, train
from temper.cli import predict
from temper.core import arrow, artifacts
from temper.core.errors import InputError
from temper.evaluation import baselines, bootstrap, tables
from temper.evaluation.split_result import LabelSpec, SplitResult, sampled_rows, scores
from temper.tasks.base import registry
from temper.training import networks

RANDOM = np.random.default_rng(5)


def spec(kind="classification", names=("a", "b"), positive=1):
    return LabelSpec(metrics=kind, names=list(names), positive=positive, threshold=0.5)


def scored(predictions, references, probabilities=None):
    rows = len(predictions)
    wide = np.eye(int(max(references)) + 1)[predictions] if probabilities is None else probabilities
    return SplitResult(
        predictions=np.asarray(predictions),
        references=np.asarray(references),
        confidence=wide.max(-1),
        loss=np.arange(rows, dtype=float),
        sample=np.arange(rows),
        probabilities=wide,
    )


def test_intervals_of_accuracy_are_the_normal_approximation():
    """Resampled counts against the closed form."""
    references = RANDOM.integers(0, 2, 1000)
    predictions = np.where(RANDOM.random(1000) < 0.8, references, 1 - references)
    found = bootstrap.intervals(scored(predictions, references), spec(), 4000, 1)
    share = (predictions == references).mean()
    half = 1.96 * (share * (1 - share) / 1000) ** 0.5
    assert found["accuracy_low"] == pytest.approx(share - half, abs=0.004)
    assert found["accuracy_high"] == pytest.approx(share + half, abs=0.004)


def test_intervals_of_other_kinds_hold_the_score():
    """Multi-label and regression: low < score < high, narrower with more rows."""
    widths = []
    for rows in (100, 1600):
        wanted = RANDOM.normal(size=rows)
        predicted = wanted + RANDOM.normal(size=rows)
        numbers = SplitResult(
            predictions=predicted,
            references=wanted,
            confidence=predicted,
            loss=(predicted - wanted) ** 2,
            sample=np.arange(rows),
            probabilities=np.empty((rows, 0)),
        )
        kind = spec("regression", (), None)
        found = bootstrap.intervals(numbers, kind, 300, 1)
        score = scores(numbers, kind)["pearson"]
        assert found["pearson_low"] < score < found["pearson_high"]
        widths.append(found["pearson_high"] - found["pearson_low"])
    assert widths[1] < 0.5 * widths[0]
    hot = RANDOM.integers(0, 2, (400, 3)).astype(bool)
    flipped = hot ^ (RANDOM.random((400, 3)) < 0.1)
    many = SplitResult(
        predictions=csr_array(flipped),
        references=csr_array(hot),
        confidence=np.ones(400),
        loss=np.ones(400),
        sample=np.arange(400),
        probabilities=flipped.astype(float),
    )
    kind = spec("multi_label", "abc", None)
    found, score = bootstrap.intervals(many, kind, 300, 1), scores(many, kind)["f1_micro"]
    assert found["f1_micro_low"] < score < found["f1_micro_high"]


def test_tables_by_hand():
    """Per class by support, the most confused pair first, the worst example first."""
    found = scored([0, 0, 1, 2, 2, 2, 1], [0, 0, 0, 2, 2, 2, 2])
    three = spec(names=("a", "b", "c"), positive=None)
    rows = tables.per_class(found, three)
    assert [(row["label"], row["support"]) for row in rows] == [("c", 4), ("a", 3), ("b", 0)]
    assert rows[0]["recall"] == 0.75
    assert rows[0]["precision"] == 1.0
    _, pairs = tables.confusion(found, three)
    assert [(p["actual"], p["predicted"], p["count"]) for p in pairs] == [
        ("a", "b", 1),
        ("c", "b", 1),
    ]
    worst = tables.worst(found, {"text": list("rstuvwx").__getitem__}, three, 2)
    assert [row["text"] for row in worst] == ["x", "w"]
    assert (worst[0]["reference"], worst[0]["prediction"]) == ("c", "b")


def test_slices_are_the_scores_of_their_rows():
    """Each value of a column on its own, with its count."""
    references = RANDOM.integers(0, 2, 90)
    predictions = RANDOM.integers(0, 2, 90)
    topics = np.array(["x", "y", "z"])[RANDOM.integers(0, 3, 90)]
    rows = tables.slices(scored(predictions, references), {"topic": topics}, spec(), 100, 1)
    for row in rows:
        inside = topics == row["value"]
        assert row["rows"] == inside.sum()
        expected = (predictions[inside] == references[inside]).mean()
        assert row["accuracy"] == pytest.approx(expected, abs=1e-6)
    assert [row["value"] for row in rows] == ["x", "y", "z"]


def test_probabilities_are_kept_for_a_bounded_sample():
    """Memory does not grow with rows x classes."""
    assert len(sampled_rows(10_000, 2, 1)) == 10_000
    kept = sampled_rows(1_000_000, 300, 1)
    assert len(kept) * 300 <= 2_000_000
    assert (np.diff(kept) > 0).all()


def test_baselines_learn_what_a_word_gives_away():
    """A telling word: the linear baseline finds it, the constant one answers the majority."""
    texts = [["good film", "bad film", "good day", "bad day", "bad"] * 20]
    labels = np.array([1, 0, 1, 0, 0] * 20)
    found = baselines.predictions(texts, labels, {"test": [["good", "bad"]]}, spec(), 1)
    assert found["majority"]["test"].tolist() == [0, 0]
    assert found["tfidf_logistic_regression"]["test"].tolist() == [1, 0]
    assert found["naive_bayes"]["test"].tolist() == [1, 0]


# -- the whole stage on data of each kind --------------------------------------------------------


def untrained(parameters):
    """Write data/model with the base model's new weights, not trained."""
    data = arrow.load(Path("data/tokenized"))
    train.determinism.configure(parameters.determinism, 1)
    features = data["train"].features
    network = networks.build(
        Path("data/base"), registry.load(parameters, features), features, parameters.model
    )
    networks.save(network, Path("data/model"))
    for file in Path("data/base/processor").iterdir():
        (Path("data/model") / file.name).write_bytes(file.read_bytes())


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
        evaluate.main(
            *(Path("data") / n for n in ("model", "tokenized", "raw", "zero_shot", "evaluation"))
        )
        return artifacts.read_json(Path("data/evaluation/metrics.json"))

    return run


def read_predictions(split="test"):
    with Path(f"data/evaluation/predictions/{split}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_single_texts(run_stage):
    """Accuracy and F1 recomputed from predictions/test.csv by scikit-learn."""
    from sklearn.metrics import accuracy_score, f1_score

    found = run_stage("single_label_classification", ["no", "yes"], positive="yes")
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
    assert "<script" not in Path("data/evaluation/report.html").read_text()


@pytest.mark.slow
def test_multi_label(run_stage):
    """Micro F1 recomputed from the labels in predictions/test.csv; thresholds tuned and kept."""
    found = run_stage(
        "multi_label_classification", ["never", "old", "red"], evaluate__threshold="tuned"
    )
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
    names = ("model", "evaluation", "tokenized", "raw/summary.json", "export")
    export.main(*(Path("data") / name for name in names))
    predict.predict(
        Path("data/export"), Path("test.jsonl"), Path("new.csv"), "onnx", 8, num_threads=1
    )
    with Path("new.csv").open(encoding="utf-8") as file:
        found_anew = list(csv.DictReader(file))
    assert [r["prediction"] for r in found_anew] == [r["prediction"] for r in rows]
    held = [("never" in r["prediction"].split("|"), float(r["score_never"])) for r in found_anew]
    assert any(said != (chance >= 0.5) for said, chance in held)  # 0.5 would say otherwise


@pytest.mark.slow
def test_regression(run_stage):
    """Errors and correlation recomputed from predictions/test.csv by NumPy."""
    found = run_stage("regression", None, train__metric_for_best_model="mse")
    rows = read_predictions()
    wanted, predicted = (np.array([float(r[k]) for r in rows]) for k in ("reference", "prediction"))
    assert found["test"]["mse"] == pytest.approx(np.mean((wanted - predicted) ** 2), rel=1e-4)
    assert found["test"]["pearson"] == pytest.approx(np.corrcoef(wanted, predicted)[0, 1], abs=1e-3)
    assert found["baseline"]["mean"]["test"]["mse"] > 0


@pytest.mark.slow
def test_a_split_without_labels_is_predicted_and_not_scored(prepare):
    """And two runs give the same bytes."""
    prepare()
    text = Path("tests/data/test.csv").read_text()
    Path("unlabelled.csv").write_text(
        text.replace("not_equivalent", "-1").replace(",equivalent", ",-1")
    )
    files = {s: f"tests/data/{s}.csv" for s in ("train", "validation")} | {"test": "unlabelled.csv"}
    untrained(prepare(data__files=files))
    folders = [Path("data") / name for name in ("model", "tokenized", "raw", "zero_shot")]
    evaluate.main(*folders, Path("data/evaluation"))
    found = artifacts.read_json(Path("data/evaluation/metrics.json"))
    assert "test" not in found
    assert "accuracy" in found["validation"]
    assert len(read_predictions("test")) == text.count("\n") - 1
    evaluate.main(*folders, Path("data/again"))
    assert artifacts.sha256_tree(Path("data/evaluation")) == artifacts.sha256_tree(
        Path("data/again")
    )


@pytest.mark.slow
def test_a_model_with_other_labels_is_refused(prepare):
    """Both orders are shown."""
    untrained(prepare())
    settings = json.loads(Path("data/model/config.json").read_text())
    settings["id2label"] = {"0": "equivalent", "1": "not_equivalent"}
    Path("data/model/config.json").write_text(json.dumps(settings))
    folders = [
        Path("data") / name for name in ("model", "tokenized", "raw", "zero_shot", "evaluation")
    ]
    with pytest.raises(InputError, match="model's labels are equivalent, not_equivalent"):
        evaluate.main(*folders)
