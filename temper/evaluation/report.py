"""Scores and tables → report.html, one file without links, and the summary on the console."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

from temper import metrics, params, templates
from temper.evaluation import decision_table, plots, tables
from temper.evaluation.text_tables import Table, format_number, format_score
from temper.params import user_code

TEMPLATE = "report.html.j2"
TABLES = ("per_class", "confused_pairs", "slices", "worst")

Scores = dict[str, Any]  # the content of metrics.json


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


def confusion_matrix(
    rows: list[dict[str, str]], names: list[str], per_class: list[dict[str, str]]
) -> dict[str, Any] | None:
    """Return the confusion matrix as counts and shares of the actual label, in order of ids.

    Args:
        rows: actual and predicted label of each row, but those of less frequent labels.
        names: of all labels.
        per_class: the table that has the support of each label, of all rows.
    """
    if not rows:
        return None
    present = {row[key] for row in rows for key in ("actual", "predicted")}
    labels = [name for name in names if name in present]
    counts = Counter((row["actual"], row["predicted"]) for row in rows)
    support = {row["label"]: int(row["support"]) for row in per_class}
    lines = []
    for actual in labels:
        cells = [
            {
                "count": counts[actual, predicted],
                "share": counts[actual, predicted] / max(support[actual], 1),
                "right": predicted == actual,
            }
            for predicted in labels
        ]
        lines.append({"name": actual, "cells": cells})
    return {"names": labels, "lines": lines, "left_out": sum(support.values()) - len(rows)}


def gaps(scores: Scores, metrics_module: str) -> list[dict[str, str]]:
    """Return each score of training rows minus that of test, or of validation if there is no test.

    Validation chose the epoch, so its own scores are a little too good. Training rows that score
    better overfit, unless the split's 95 % interval holds their score; else the number says it all.
    Scores of retrieval depend on the number of rows, which is validation's.
    """
    has_test = "test" in scores and metrics_module != "retrieval"
    directions, found = metrics.load(metrics_module).GREATER_IS_BETTER, []
    for metric, is_greater_better in directions.items():
        split = "test" if has_test and metric in scores["test"] else "validation"
        train, other = scores["gap"].get(f"train_{metric}"), scores.get(split, {})
        if train is None or metric not in other:
            continue
        low, high = (other.get(f"{metric}_{end}", math.nan) for end in ("low", "high"))
        value, meaning = train - other[metric], ""
        if value > 0 if is_greater_better else value < 0:
            is_inside = low <= train <= high
            meaning = f"inside {split}'s 95 % interval" if is_inside else "overfitting"
        text = format_number(value, metric, sign=True)
        found.append({"metric": metric, "split": split, "value": text, "meaning": meaning})
    return found


def average_of_f1(parameters: params.Params) -> list[str]:
    """Return a line on what F1 of classification is about: the positive label, or all alike."""
    if parameters.task.metrics != "classification":
        return []
    positive = parameters.evaluate.positive_label
    if positive is None:
        return ["f1 is f1_macro: each label's F1, averaged."]
    return [f"f1 is that of {positive} (evaluate.positive_label)."]


def best_baseline(rows: list[dict[str, Any]], metrics_module: str) -> tuple[str, float] | None:
    """Return the best baseline of the first row's split by the main score, and that score."""
    split, metric = rows[0]["split"], rows[0]["scores"][0]["name"]
    known = {
        row["model"]: row["values"][metric]
        for row in rows[1:]
        if row["split"] == split and metric in row["values"]
    }
    is_greater = metrics.load(metrics_module).GREATER_IS_BETTER[metric]
    best = (max if is_greater else min)(known, key=known.__getitem__, default=None)
    return None if best is None else (best, known[best])


def remarks(scores: Scores, metrics_module: str) -> list[str]:
    """Return what the main split's scores do not show: no gain on a baseline, no certainty."""
    rows, found = score_rows(scores, metrics_module), []
    if not rows or not rows[0]["scores"]:
        return found
    split, cells = rows[0]["split"], rows[0]["scores"]
    main = cells[0]
    if main["low"] is not None and (best := best_baseline(rows, metrics_module)):
        is_greater = metrics.load(metrics_module).GREATER_IS_BETTER[main["name"]]
        if main["low"] <= best[1] if is_greater else main["high"] >= best[1]:
            score = format_number(best[1], main["name"])
            found.append(f"{split} {main['name']}: not clearly better than {best[0]} ({score})")
    if metrics.has_no_spread(scores[split], [cell["name"] for cell in cells]):
        found.append(metrics.NO_SPREAD)
    return found


def write(
    folder: Path,
    history: Path,
    scores: Scores,
    data_summary: dict[str, Any],
    parameters: params.Params,
    label_names: list[str],
    taught: dict[str, Any] | None = None,
) -> None:
    """Write report.html from the scores and the CSV tables in `folder`; it lists all parameters.

    `history` is the folder of the metrics by step, `taught` says by whom the model was taught.
    """
    task, listed = parameters.task, {n: tables.read_csv(folder / f"{n}.csv") for n in TABLES}
    best_metric = user_code.attribute_name(parameters.train.metric_for_best_model)
    html = templates.render(
        Path(__file__).with_name(TEMPLATE),
        title=parameters.export.name,
        data_summary=data_summary,
        scores=scores,
        rows=score_rows(scores, task.metrics),
        gaps=gaps(scores, task.metrics),
        remarks=[*average_of_f1(parameters), *remarks(scores, task.metrics)],
        examples=task.examples_name,
        history=plots.training(history, best_metric),
        tables=listed,
        curves=plots.curves(folder),
        decisions=decision_table.read(folder),
        decision_head=decision_table.HEAD,
        confusion=confusion_matrix(
            tables.read_csv(folder / "confusion.csv"), label_names, listed["per_class"]
        ),
        inputs=task.texts,
        kept=tables.kept_columns(parameters.data.extra_columns, task),
        worst=plots.worst(listed["worst"], task.metrics, list(task.texts)),
        shared_rows=parameters.data.shared_rows(data_summary["overlap"]),
        parameters=params.as_written(parameters, without="export"),
        taught=taught,
    )
    (folder / "report.html").write_text(html + "\n", encoding="utf-8")


def headline(scores: Scores, metrics_module: str) -> str:
    """Return the main score of the main split in a line, beside the best baseline."""
    rows = [row for row in score_rows(scores, metrics_module) if row["scores"]]
    if not rows:
        return "no split has labels: predicted, not scored"
    first, split, metric = rows[0], rows[0]["split"], rows[0]["scores"][0]["name"]
    line = f"{split} {metric} {format_score(first['values'], metric)}"
    if best := best_baseline(rows, metrics_module):
        values = next(r["values"] for r in rows if (r["split"], r["model"]) == (split, best[0]))
        line += f"; {best[0]} {format_score(values, metric)}"
    return f"{line}\n`temper summary` shows all scores"


def text_table(scores: Scores, metrics_module: str) -> Table:
    """Return the scores beside the baselines."""
    rows = score_rows(scores, metrics_module)
    names = [cell["name"] for cell in rows[0]["scores"]] if rows else []
    cells = [
        [row["split"], row["model"], *(format_score(row["values"], name) for name in names)]
        for row in rows
    ]
    return Table("scores with 95 % intervals", ["split", "model", *names], cells)
