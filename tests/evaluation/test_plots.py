"""What the report draws is what the files hold: curves, tagged words, captions, axes."""

import statistics

import numpy as np
import pytest

from temper import metrics
from temper.evaluation import plots, report
from temper.templates import ticks
from tests.helpers.tables import write_csv


def test_draws_every_evaluation_and_means_of_the_steps(tmp_path):
    """Of a long training, a point of the loss is the mean of consecutive steps."""
    steps = [
        {"epoch": (i + 1) / 100, "loss": (i * 7) % 13, "learning_rate": 0.1} for i in range(600)
    ]
    write_csv(tmp_path / "train.csv", steps)
    evaluations = [{"epoch": e, "loss": e / 2, "f1": "" if e == 1 else e / 10} for e in (1, 2, 6)]
    write_csv(tmp_path / "validation.csv", evaluations)
    loss, f1, rate = plots.training(tmp_path, "f1")
    train, validation = (line["points"] for line in loss["lines"])
    assert len(train) == plots.MOST_POINTS
    assert train[0][1] == pytest.approx(statistics.fmean(row["loss"] for row in steps[:5]))
    assert validation == [(1, 0.5), (2, 1), (6, 3)]
    assert f1["lines"][0]["points"] == [(2, 0.2), (6, 0.6)]
    assert [rate["end"], rate["title"]] == [6, "learning rate"]
    assert [plot["title"] for plot in plots.training(tmp_path, "loss")] == ["loss", "learning rate"]
    assert plots.training(tmp_path / "none", "f1") == []


def test_an_entity_is_right_if_the_other_side_has_it():
    """Type and ends count; the text between entities is kept."""
    words = ["Ann", "Lee", "met", "Bo", "in", "Rome"]
    actual = ["B-PER", "I-PER", "O", "B-PER", "O", "B-LOC"]
    predicted = ["B-PER", "I-PER", "O", "B-ORG", "O", "O"]
    row = {"words": " ".join(words), "reference": " ".join(actual)}
    (sides,) = plots.worst([row | {"prediction": " ".join(predicted)}], "entities", ["words"])[
        "tagged"
    ]
    found = [[(p["text"], p["type"], p["right"]) for p in side if p["type"]] for side in sides]
    assert found == [
        [("Ann Lee", "PER", True), ("Bo", "PER", False), ("Rome", "LOC", False)],
        [("Ann Lee", "PER", True), ("Bo", "ORG", False)],
    ]
    for side in sides:
        assert " ".join(part["text"] for part in side if part["text"]) == row["words"]
    spaced = row | {"words": "A b Lee met Bo in Rome", "prediction": row["reference"]}
    assert plots.worst([spaced], "entities", ["words"])["tagged"] == []


def test_numbers_are_neither_right_nor_wrong():
    """A number is seldom its reference exactly; a class is."""
    is_number = {name: plots.worst([], name, ["text"])["is_number"] for name in metrics.MODULES}
    assert [name for name, found in is_number.items() if found] == ["regression", "similarity"]


def test_the_caption_of_a_gap_follows_its_sign_the_metric_and_the_interval():
    """A smaller error on training rows is overfitting, as a greater score is, if beyond chance."""

    def meanings(module, low=0.7, high=0.85, **gap):
        scores = {"gap": {f"train_{name}": 0.8 + value for name, value in gap.items()}}
        scores["validation"] = {f"accuracy_{end}": v for end, v in (("low", low), ("high", high))}
        scores["validation"] |= dict.fromkeys(gap, 0.8)
        return [found["meaning"] for found in report.gaps(scores, module)]

    assert meanings("classification", accuracy=0.1, f1=-0.1) == ["overfitting", ""]
    assert meanings("classification", accuracy=0.04) == ["inside validation's 95 % interval"]
    assert meanings("classification", accuracy=-0.04) == [""]
    assert meanings("classification", low=0.8, high=0.8, accuracy=0.04) == ["overfitting"]
    assert meanings("regression", mse=-2.0, pearson=0.0) == ["overfitting", ""]


def test_a_gap_is_to_test_where_there_is_one():
    """Validation chose the epoch, and its score of few rows may exceed that of training rows."""
    scores = {"gap": {"train_accuracy": 0.979}, "validation": {"accuracy": 1.0}}
    assert report.gaps(scores, "classification") == [
        {"metric": "accuracy", "split": "validation", "value": "-0.021", "meaning": ""}
    ]
    scores["test"] = {"accuracy": 0.75, "accuracy_low": 0.5, "accuracy_high": 1.0}
    inside = "inside test's 95 % interval"
    assert report.gaps(scores, "classification") == [
        {"metric": "accuracy", "split": "test", "value": "+0.229", "meaning": inside}
    ]
    splits = {"gap": {"train_mrr": 0.9}, "validation": {"mrr": 0.8}, "test": {"mrr": 0.5}}
    assert report.gaps(splits, "retrieval")[0]["split"] == "validation"


@pytest.mark.parametrize(
    ("module", "metric", "value", "baselines", "remark"),
    [
        ("classification", "accuracy", (0.75, 0.5, 1.0), (0.5, 0.75), "tfidf (0.750)"),
        ("classification", "accuracy", (0.75, 0.6, 0.9), (0.5, 0.59), None),
        ("classification", "accuracy", (0.75, 0.6, 0.9), (0.95, 0.5), "majority (0.950)"),
        ("language", "perplexity", (20.0, 18.0, 22.0), (200.0, 21.5), "tfidf (21.5)"),
        ("language", "perplexity", (20.0, 18.0, 22.0), (200.0, 22.5), None),
    ],
)
def test_says_where_the_model_does_not_beat_the_best_baseline(
    module, metric, value, baselines, remark
):
    """Its interval holds the baseline's score or is worse; a smaller perplexity is better."""
    keys = (metric, f"{metric}_low", f"{metric}_high")
    scores = {"test": dict(zip(keys, value, strict=True)), "gap": {}}
    by_name = zip(("majority", "tfidf"), baselines, strict=True)
    scores["baseline"] = {name: {"test": {metric: score}} for name, score in by_name}
    expected = [f"test {metric}: not clearly better than {remark}"] if remark else []
    assert report.remarks(scores, module) == expected


def test_says_which_f1_it_is(write_params):
    """Of one label where a positive one is named; else it is the mean, which has two names."""
    label = write_params(evaluate__positive_label="equivalent")
    assert report.average_of_f1(label) == ["f1 is that of equivalent (evaluate.positive_label)."]
    several = write_params(evaluate__positive_label=None, task__labels=["a", "b", "c"])
    assert report.average_of_f1(several) == ["f1 is f1_macro: each label's F1, averaged."]
    stats = metrics.load("classification").per_example_stats(
        np.array([0, 1, 2, 2, 1]), np.array([0, 1, 2, 1, 0]), 3
    )
    found = metrics.scores("classification", stats, positive=None)
    assert found["f1"] == found["f1_macro"] < 1


def test_says_that_an_interval_without_width_is_not_certainty():
    """The model's alone: that of a baseline that never finds a class is expected."""
    perfect = {"accuracy": 1.0, "accuracy_low": 1.0, "accuracy_high": 1.0}
    baseline = {"majority": {"test": {"accuracy": 0.5, "f1": 0.0, "f1_low": 0.0, "f1_high": 0.0}}}
    assert report.remarks({"test": perfect, "baseline": baseline}, "classification") == [
        metrics.NO_SPREAD
    ]
    usual = perfect | {"accuracy_low": 0.9}
    assert report.remarks({"test": usual, "baseline": baseline}, "classification") == []


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.3, 1.4, ["0.4", "0.6", "0.8", "1.0", "1.2", "1.4"]),
        (120, 5000, ["1,000", "2,000", "3,000", "4,000", "5,000"]),
        (0, 5e-5, ["0", "1e-05", "2e-05", "3e-05", "4e-05", "5e-05"]),
        (2, 2, ["2"]),
    ],
)
def test_axes_have_round_numbers(low, high, texts):
    """A few, between the ends."""
    assert [text for _, text in ticks(low, high)] == texts
    assert all(low - 1e-9 <= value <= high + 1e-9 for value, _ in ticks(low, high))


def test_counts_stand_in_the_middle_of_their_bins():
    """A bin's mean confidence may be near that of the next one."""
    assert plots.bin_centre(0.299) == pytest.approx(0.25)
    assert plots.bin_centre(1.0) == pytest.approx(0.95)
