"""What the report draws is what the files hold: curves, tagged words, captions, axes."""

import csv
import statistics

import pytest

from temper import metrics
from temper.evaluation import plots, report
from temper.templates import ticks


def write(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_draws_every_evaluation_and_means_of_the_steps(tmp_path):
    """Of a long training, a point of the loss is the mean of consecutive steps."""
    steps = [
        {"epoch": (i + 1) / 100, "loss": (i * 7) % 13, "learning_rate": 0.1} for i in range(600)
    ]
    write(tmp_path / "train.csv", steps)
    evaluations = [{"epoch": e, "loss": e / 2, "f1": "" if e == 1 else e / 10} for e in (1, 2, 6)]
    write(tmp_path / "validation.csv", evaluations)
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
        scores = {"gap": {f"{name}_gap": value for name, value in gap.items()}}
        scores["gap"] |= {f"train_{name}": 0.8 + value for name, value in gap.items()}
        scores["validation"] = {f"accuracy_{end}": v for end, v in (("low", low), ("high", high))}
        return [found["meaning"] for found in report.gaps(scores, module)]

    assert meanings("classification", accuracy=0.1, f1=-0.1) == ["overfitting", "no overfitting"]
    assert meanings("classification", accuracy=0.04) == ["inside validation's 95 % interval"]
    assert meanings("classification", accuracy=-0.04) == ["no overfitting"]
    assert meanings("classification", low=0.8, high=0.8, accuracy=0.04) == ["overfitting"]
    assert meanings("regression", mse=-2.0, pearson=0.0) == ["overfitting", "no overfitting"]


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
