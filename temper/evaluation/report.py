"""Scores and tables → report.html, one file without links, and the summary on the console."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console

from temper import metrics, params, templates
from temper.evaluation.text_tables import Table, format_score

TEMPLATE = "report.html.j2"
TABLES = ("per_class", "confused_pairs", "slices", "worst", "roc", "pr", "calibration")
CURVES = (  # table, title, x, y
    ("roc", "ROC", "false_positive_rate", "true_positive_rate"),
    ("pr", "Precision and recall", "recall", "precision"),
    ("calibration", "Calibration", "confidence", "share_right"),
)

Scores = dict[str, Any]  # the content of metrics.json


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, none where it does not exist."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def score_rows(scores: Scores, metrics_module: str) -> list[dict[str, Any]]:
    """Return a row per scored split and model, the trained one before its baselines."""
    rows = []
    for split in ("test", "validation"):
        if split not in scores:
            continue
        names = [n for n in metrics.load(metrics_module).HEADLINE if n in scores[split]][:2]
        by_model = {"this model": scores[split]} | {
            baseline.replace("_", " "): by_split[split]
            for baseline, by_split in scores["baseline"].items()
            if split in by_split
        }
        rows += [
            {
                "model": model,
                "split": split,
                "values": values,
                "scores": [_cell(name, values) for name in names],
            }
            for model, values in by_model.items()
        ]
    return rows


def _cell(name: str, scores: dict[str, float]) -> dict[str, Any]:
    return {
        "name": name,
        "value": scores.get(name),
        "low": scores.get(f"{name}_low"),
        "high": scores.get(f"{name}_high"),
        "bounded": name not in metrics.UNBOUNDED,
    }


def confusion_matrix(rows: list[dict[str, str]], names: list[str]) -> dict[str, Any] | None:
    """Return the confusion matrix as counts and shares of the actual label, in order of ids."""
    if not rows:
        return None
    present = {row["actual"] for row in rows}
    labels = [name for name in names if name in present]
    counts = Counter((row["actual"], row["predicted"]) for row in rows)
    lines = []
    for actual in labels:
        row = [counts[actual, predicted] for predicted in labels]
        total = max(sum(row), 1)
        cells = [
            {"count": count, "share": count / total, "right": predicted == actual}
            for predicted, count in zip(labels, row, strict=True)
        ]
        lines.append({"name": actual, "cells": cells})
    return {"names": labels, "lines": lines}


def write(
    folder: Path,
    scores: Scores,
    data_summary: dict[str, Any],
    parameters: params.Params,
    label_names: list[str],
) -> None:
    """Write report.html from the scores and the CSV tables in `folder`; it lists all parameters."""
    tables = {name: read_table(folder / f"{name}.csv") for name in TABLES}
    curves = [
        {"title": title, "x": x, "y": y, "table": table,
         "points": [(float(row[x]), float(row[y])) for row in tables[table]]}
        for table, title, x, y in CURVES
        if tables[table]
    ]  # fmt: skip
    html = templates.render(
        Path(__file__).with_name(TEMPLATE),
        title=parameters.export.name,
        data_summary=data_summary,
        scores=scores,
        rows=score_rows(scores, parameters.task.metrics),
        tables=tables,
        curves=curves,
        confusion=confusion_matrix(read_table(folder / "confusion.csv"), label_names),
        inputs=parameters.task.texts,
        parameters=params.flatten(parameters, without="export"),
    )
    (folder / "report.html").write_text(html + "\n", encoding="utf-8")


def print_summary(scores: Scores, metrics_module: str) -> None:
    """Print the scores beside the baselines, with their 95 % intervals."""
    Console().print(text_table(scores, metrics_module).to_rich())


def text_table(scores: Scores, metrics_module: str) -> Table:
    """Return the scores beside the baselines."""
    rows = score_rows(scores, metrics_module)
    names = [cell["name"] for cell in rows[0]["scores"]] if rows else []
    cells = [
        [row["split"], row["model"], *(format_score(row["values"], name) for name in names)]
        for row in rows
    ]
    return Table("scores with 95 % intervals", ["split", "model", *names], cells)
