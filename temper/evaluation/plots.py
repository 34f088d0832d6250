"""Histories and predictions → what the report's template draws: curves, tagged words, captions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from temper.evaluation import tables
from temper.metrics.entities import entities

MOST_POINTS = 120  # of a line of training steps, each the mean of as many as fall together
WORST = {  # metrics → what ranks the worst rows, and its name
    "entities": (
        "errors",
        "most entities missed (red in the reference) or wrongly found (red in the prediction)",
    ),
    "regression": ("squared\u00a0error", "largest errors"),
    "answers": ("1\u00a0\u2212\u00a0F1", "answers furthest from the reference"),
    "summarization": ("1\u00a0\u2212\u00a0ROUGE-L", "texts furthest from the reference"),
    "retrieval": ("rank", "positives that rank lowest, beside the nearest texts"),
    "similarity": ("ranks\u00a0apart", "similarities that rank furthest from the score"),
    "translation": ("100\u00a0\u2212\u00a0chrF", "texts furthest from the reference"),
}
CURVES = (  # table, title, x, y
    ("roc", "ROC", "false_positive_rate", "true_positive_rate"),
    ("pr", "Precision and recall", "recall", "precision"),
    ("calibration", "Calibration", "confidence", "share_right"),
    ("risk_coverage", "Risk and coverage", "coverage", "risk"),
)
UNSURE = "highest loss. Of those with a wrong prediction, either the label is wrong or the model is"

Point = tuple[float, float]
Row = dict[str, str]


def training(folder: Path, metric: str) -> list[dict[str, Any]]:
    """Return the plots of the loss, a validation metric and the learning rate by epoch.

    Args:
        folder: of train.csv and validation.csv, as the train stage writes them.
        metric: of validation; `loss` for none besides the loss.
    """
    train, validation = (
        tables.read_csv(folder / f"{name}.csv") for name in ("train", "validation")
    )
    losses = [
        {"name": "train", "color": "var(--grey)", "points": thinned(points(train, "loss"))},
        {"name": "validation", "color": "var(--mark)", "points": points(validation, "loss"),
         "dots": True},
    ]  # fmt: skip
    rates = {"color": "var(--mark)", "points": thinned(points(train, "learning_rate"))}
    plots = [{"title": "loss", "lines": [line for line in losses if line["points"]]}]
    scored = points(validation, metric) if metric != "loss" else []
    if scored:
        line = {"color": "var(--mark)", "points": scored, "dots": True}
        plots.append({"title": f"validation {metric.replace('_', ' ')}", "lines": [line]})
    plots.append({"title": "learning rate", "lines": [rates] if rates["points"] else []})
    end = max((float(row["epoch"]) for row in [*train, *validation]), default=1)
    return [plot | {"end": end} for plot in plots if plot["lines"]]


def curves(folder: Path) -> list[dict[str, Any]]:
    """Return the curves of the tables in a folder: points, and for calibration rows per bin."""
    by_table = {table: tables.read_csv(folder / f"{table}.csv") for table, *_ in CURVES}
    return [
        {
            "title": title,
            "x": x,
            "y": y,
            "table": table,
            "points": [(float(row[x]), float(row[y])) for row in by_table[table]],
            "counts": [
                (bin_centre(float(row[x])), int(row["rows"]))
                for row in by_table[table]
                if "rows" in row
            ],
        }
        for table, title, x, y in CURVES
        if by_table[table]
    ]


def bin_centre(confidence: float) -> float:
    """Return the middle of the calibration bin that a confidence falls into."""
    return (min(int(confidence * tables.BINS), tables.BINS - 1) + 0.5) / tables.BINS


def points(rows: Sequence[Row], column: str) -> list[Point]:
    """Return (epoch, value) of the rows that have a number in a column."""
    values = [(float(row["epoch"]), float(row.get(column) or "nan")) for row in rows]
    return [(epoch, value) for epoch, value in values if np.isfinite(value)]


def thinned(line: list[Point]) -> list[Point]:
    """Return at most `MOST_POINTS` means of consecutive points."""
    if len(line) <= MOST_POINTS:
        return line
    parts = np.array_split(np.array(line), MOST_POINTS)
    return [(float(x), float(y)) for x, y in (part.mean(0) for part in parts)]


def worst(rows: Sequence[Row], metrics_module: str, inputs: Sequence[str]) -> dict[str, Any]:
    """Return caption, name of the ranking number and, of tags, the words of each of the worst rows.

    `tagged` has a pair (reference, prediction) per row, see `tagged_words`; it is empty where the
    words cannot be told apart, because one contains a space.
    """
    name, caption = WORST.get(metrics_module, ("loss", UNSURE))
    tagged = []
    if metrics_module == "entities":
        for row in rows:
            words, tags = row[inputs[0]].split(" "), row["reference"].split(" ")
            other = row["prediction"].split(" ")
            if len(words) == len(tags) == len(other):
                tagged.append((tagged_words(words, tags, other), tagged_words(words, other, tags)))
    return {
        "name": name,
        "found": "nearest" if metrics_module == "retrieval" else "prediction",
        "is_number": metrics_module in ("regression", "similarity"),
        "caption": f"The rows with the {caption}.",
        "tagged": tagged if len(tagged) == len(rows) else [],
    }


def tagged_words(words: Sequence[str], tags: list[str], other: list[str]) -> list[dict[str, Any]]:
    """Return the text in parts, each an entity or what is between two.

    Args:
        words: of the text.
        tags: of the words.
        other: the tags of the reference if `tags` are predicted, and the other way round; an entity
            that they have too is right.
    """
    parts, next_word = [], 0
    for entity in sorted(entities(tags), key=lambda found: found[1]):
        entity_type, first, last = entity
        parts.append({"text": " ".join(words[next_word:first]), "type": None})
        text, is_right = " ".join(words[first : last + 1]), entity in entities(other)
        parts.append({"text": text, "type": entity_type, "right": is_right})
        next_word = last + 1
    return [*parts, {"text": " ".join(words[next_word:]), "type": None}]
