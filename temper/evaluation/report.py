"""Scores and tables → report.html, one file that links to nothing, and the console summary."""

import csv
from pathlib import Path
from typing import Any

from temper import metrics as scoring
from temper import params, templates

TEMPLATE = "report.html.j2"
PLOT = (305, 230)  # width and height of a curve, px
MOST_ROWS = 60  # of the per-class table before it scrolls


def read_table(path: Path) -> list[dict[str, str]]:
    """Return a CSV file's rows, none where the file does not exist."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def headline(metrics: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return a row per scored split and baseline: name, split, score and interval.

    Args:
        metrics: of metrics.json.
        kind: the module of temper/metrics they come from.
    """
    rows = []
    others = [split for split in metrics if split not in ("test", "baseline", "gap")]
    splits = [split for split in ("test", *others) if split in metrics]
    for split in splits:
        names = [n for n in scoring.load(kind).HEADLINE if n in metrics[split]][:2]
        rows.append({"who": "this model", "split": split, "scores": _cells(metrics[split], names)})
        for baseline, found in metrics["baseline"].items():
            if split in found:
                rows.append(
                    {
                        "who": baseline.replace("_", " "),
                        "split": split,
                        "scores": _cells(found[split], names),
                    }
                )
    return rows


def _cells(found: dict[str, float], names: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "value": found.get(name),
            "low": found.get(f"{name}_low"),
            "high": found.get(f"{name}_high"),
            "bounded": name not in scoring.UNBOUNDED,
        }
        for name in names
    ]


def path_of(rows: list[dict[str, str]], x: str, y: str) -> str:
    """Return an SVG path through points of the unit square."""
    width, height = PLOT
    points = [(float(r[x]) * width, (1 - float(r[y])) * height) for r in rows]
    return " ".join(f"{'L' if i else 'M'}{a:.1f},{b:.1f}" for i, (a, b) in enumerate(points))


def heat(rows: list[dict[str, str]], names: list[str]) -> dict[str, Any] | None:
    """Return the confusion matrix as counts and shares of the actual label."""
    if not rows:
        return None
    shown = [name for name in names if any(name == row["actual"] for row in rows)]
    counts = {(a, p): 0 for a in shown for p in shown}
    for row in rows:
        if (row["actual"], row["predicted"]) in counts:
            counts[row["actual"], row["predicted"]] += 1
    lines = []
    for actual in shown:
        total = max(sum(counts[actual, p] for p in shown), 1)
        cells = [
            {"count": counts[actual, p], "share": counts[actual, p] / total, "right": p == actual}
            for p in shown
        ]
        lines.append({"name": actual, "cells": cells})
    return {"names": shown, "lines": lines}


def write(
    folder: Path,
    metrics: dict[str, Any],
    facts: dict[str, Any],
    parameters: params.Params,
    names: list[str],
) -> None:
    """Write report.html from metrics.json's content and the CSV tables in `folder`.

    Args:
        folder: data/evaluation.
        metrics: of metrics.json.
        facts: of the data's summary.json.
        parameters: all of them; shown.
        names: labels in the order of their ids, if any.
    """
    files = ("per_class", "confused_pairs", "slices", "worst", "roc", "pr", "calibration")
    tables = {name: read_table(folder / f"{name}.csv") for name in files}
    curves = [
        {"title": title, "x": x, "y": y, "path": path_of(tables[key], x, y), "key": key}
        for key, title, x, y in (
            ("roc", "ROC", "false_positive_rate", "true_positive_rate"),
            ("pr", "Precision and recall", "recall", "precision"),
            ("calibration", "Calibration", "confidence", "share_right"),
        )
        if tables[key]
    ]
    html = templates.render(
        Path(__file__).with_name(TEMPLATE),
        title=parameters.export.name,
        facts=facts,
        metrics=metrics,
        rows=headline(metrics, parameters.task.metrics),
        tables=tables,
        curves=curves,
        heat=heat(read_table(folder / "confusion.csv"), names),
        inputs=parameters.task.inputs,
        plot=PLOT,
        most=MOST_ROWS,
        parameters=params.flatten(parameters, without="export"),
    )
    (folder / "report.html").write_text(html + "\n", encoding="utf-8")


def print_summary(metrics: dict[str, Any], kind: str) -> None:
    """Print the scores beside the baselines, with their 95 % intervals."""
    from rich.console import Console
    from rich.table import Table

    rows = headline(metrics, kind)
    table = Table(title="scores with 95 % intervals")
    for name in ("split", "who", *(cell["name"] for cell in (rows[0]["scores"] if rows else []))):
        table.add_column(name)
    for row in rows:
        table.add_row(row["split"], row["who"], *(shown(cell) for cell in row["scores"]))
    Console().print(table)


def as_markdown(metrics: dict[str, Any], kind: str) -> str:
    """Return the scores beside the baselines as a Markdown table."""
    rows = headline(metrics, kind)
    names = [cell["name"] for cell in (rows[0]["scores"] if rows else [])]
    lines = [["split", "who", *names], ["---"] * (2 + len(names))]
    lines += [[row["split"], row["who"], *map(shown, row["scores"])] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shown(cell: dict[str, Any]) -> str:
    """Return `0.912 (0.880 to 0.940)`."""
    if cell["value"] is None:
        return ""
    if cell["low"] is None:
        return f"{cell['value']:.3f}"
    return f"{cell['value']:.3f} ({cell['low']:.3f} to {cell['high']:.3f})"
