"""Per class, confusion, worst examples and slices, by hand."""

import base64
import csv

import numpy as np

from temper.evaluation import report, tables
from temper.params.task import MaskedLM
from temper.tasks.base import audio

RANDOM = np.random.default_rng(5)


def test_tables_match_a_hand_made_example(tmp_path):
    """Classes are ordered by support; the most confused pair and the worst example come first."""
    predictions, references = np.array([0, 0, 1, 2, 2, 2, 1]), np.array([0, 0, 0, 2, 2, 2, 2])
    names, hits = ("a", "b", "c"), np.array([2, 0, 3])
    rows = tables.per_class(names, hits, np.bincount(predictions), np.bincount(references))
    assert [(row["label"], row["support"]) for row in rows] == [("c", 4), ("a", 3), ("b", 0)]
    assert rows[0]["recall"] == 0.75
    assert rows[0]["precision"] == 1.0
    _, pairs = tables.confusion(predictions, references, names)
    assert [(p["actual"], p["predicted"], p["count"]) for p in pairs] == [
        ("a", "b", 1),
        ("c", "b", 1),
    ]
    file, examples = tmp_path / "test.csv", [{"text": letter} for letter in "rstuvwx"]
    written = [
        {"row": i, "reference": names[r], "prediction": names[p]}
        for i, (p, r) in enumerate(zip(predictions, references, strict=True))
    ]
    tables.write_csv(file, written)
    task = MaskedLM(name="masked_lm", text="text", mask_probability=0.1, whole_word=False)
    worst = tables.worst_rows(file, np.arange(7.0), examples, task, 2)
    assert [row["text"] for row in worst] == ["x", "w"]
    assert (worst[0]["reference"], worst[0]["prediction"]) == ("c", "b")


def test_a_label_that_no_row_has_is_a_column_of_the_confusion_matrix(monkeypatch):
    """Cells and shares are scikit-learn's; what is left out of many labels is counted."""
    from sklearn.metrics import confusion_matrix

    predictions, references = np.array([0, 0, 1, 2, 2, 2, 1]), np.array([0, 0, 0, 2, 2, 2, 2])
    names = ["a", "b", "c", "never"]
    counted = (np.bincount(x, minlength=4) for x in (predictions, references))
    per_class = tables.per_class(names, np.array([2, 0, 3, 0]), *counted)
    rows, _ = tables.confusion(predictions, references, names)
    matrix = report.confusion_matrix(rows, names, per_class)
    assert (matrix["names"], matrix["left_out"]) == (["a", "b", "c"], 0)
    cells = [[cell["count"] for cell in line["cells"]] for line in matrix["lines"]]
    assert cells == confusion_matrix(references, predictions).tolist()
    shares = [[cell["share"] for cell in line["cells"]] for line in matrix["lines"]]
    np.testing.assert_allclose(
        shares, confusion_matrix(references, predictions, normalize="true"), atol=1e-12
    )
    monkeypatch.setattr(tables, "MOST_LABELS", 2)
    rows, _ = tables.confusion(predictions, references, names)
    matrix = report.confusion_matrix(rows, names, per_class)
    assert (matrix["names"], matrix["left_out"]) == (["a", "c"], 2)
    assert [line["cells"][i]["share"] for i, line in enumerate(matrix["lines"])] == [2 / 3, 0.75]


def test_a_long_text_is_listed_and_read_again(tmp_path):
    """In a predictions file and in the table of the worst rows."""
    text, file = "a long novel, " * 20_000, tmp_path / "test.csv"
    csv.field_size_limit(131_072)
    tables.write_csv(file, [{"row": 0, "reference": text, "prediction": "b"}])
    task = MaskedLM(name="masked_lm", text="text", mask_probability=0.1, whole_word=False)
    worst = tables.worst_rows(file, np.ones(1), [{"text": text}], task, 1)
    tables.write_csv(file, worst)
    csv.field_size_limit(131_072)
    assert tables.read_csv(file) == [{**worst[0], "row": "0", "loss": "1.0"}]
    assert worst[0]["reference"] == worst[0]["text"] == text


def test_extra_columns_tell_whose_rows_are_the_worst(tmp_path):
    """Not one that is called like a column of the table or a text of the task."""
    file = tmp_path / "test.csv"
    tables.write_csv(file, [{"row": i, "reference": "a", "prediction": "b"} for i in range(3)])
    examples = [{"text": "t", "id": f"id-{i}", "rank": "z", "loss": "z"} for i in range(3)]
    task = MaskedLM(name="masked_lm", text="text", mask_probability=0.1, whole_word=False)
    extra = ("id", "rank", "loss")
    (worst,) = tables.worst_rows(file, np.array([1.0, 3.0, 2.0]), examples, task, 1, extra)
    assert list(worst) == ["row", "loss", "reference", "prediction", "text", "id"]
    assert (worst["row"], worst["loss"], worst["id"]) == (1, 3.0, "id-1")


def test_slices_are_the_scores_of_their_rows():
    """Each value of a column has its scores and its count."""
    right, topics = RANDOM.random(90) < 0.6, np.array(["x", "y", "z"])[RANDOM.integers(0, 3, 90)]

    def scores_of(rows):
        return {"accuracy": right[rows].mean(), "accuracy_low": 0.0, "accuracy_high": np.nan}

    rows = tables.slice_table({"topic": topics.tolist()}, scores_of, ("accuracy",))
    for row in rows:
        inside = topics == row["value"]
        assert row["rows"] == inside.sum()
        assert row["accuracy"] == round(right[inside].mean(), 6)
        assert row["accuracy_high"] == ""
    assert [row["value"] for row in rows] == ["x", "y", "z"]


def test_listed_clips_are_their_first_seconds():
    """Of 8 kHz and 3 seconds at most, as a data URL that a browser plays."""
    tone = np.sin(2 * np.pi * 440 * np.arange(5 * 16000) / 16000)
    url = tables.input_text(audio.encode(tone, 16000), "audio")
    assert url.startswith("data:audio/wav;base64,")
    samples, rate = audio.read(base64.b64decode(url.partition(",")[2]))
    assert (len(samples), rate) == (24000, 8000)
    np.testing.assert_allclose(samples[100:-100], tone[:48000:2][100:-100], atol=5e-3)
