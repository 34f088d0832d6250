"""A comparison → one HTML page that links to nothing, its plots drawn in it."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from temper import templates
from temper.compare import console_tables, verdicts
from temper.compare.compared_models import ComparedModel
from temper.compare.console_tables import Table
from temper.compare.model_comparison import Comparison, ModelComparison
from temper.compare.verdicts import number, p_text
from temper.core.errors import InputError

TEMPLATE = "page.html.j2"
LINE = 165  # width of a line that holds an interval, px
CURVE = (440, 240)  # width and height of a plot of curves, px
HISTORY = "data/history/{}.csv"


def page(
    compared_models: Sequence[ComparedModel],
    compared: Comparison,
    tables: Sequence[Table],
    notes: Sequence[str],
    title: str,
) -> str:
    """Return the page.

    Args:
        entries: what is compared; their training curves are drawn.
        compared: the tests.
        tables: shown as they are.
        notes: what could not be found or tested.
        title: of the page.
    """
    return templates.render(
        Path(__file__).with_name(TEMPLATE),
        title=title,
        compared=compared,
        cards=[card(one, compared) for one in compared.against],
        panels=[panel(compared, metric) for metric in compared.shown],
        curves=curves(compared_models, compared.main),
        tables=[table for table in tables if table.rows],
        notes=notes,
        family=verdicts.family(compared),
        meaning=verdicts.MEANING,
        line=LINE,
        plot=CURVE,
    )


def card(one: ModelComparison, compared: Comparison) -> dict[str, Any]:
    """Return a verdict and the rows that changed side."""
    greater = compared.greater_is_better.get(compared.main, True)
    main = one.differences[0] if one.differences else None
    return {
        "outcome": verdicts.outcome(one, greater),
        "verdict": verdicts.verdict(one, compared),
        "value": main and number(main.value, main.metric, sign=True),
        "changed": verdicts.changed(one, compared),
        "one": one,
        "headings": console_tables.headings(one),
    }


def panel(compared: Comparison, metric: str) -> dict[str, Any]:
    """Return a score of every model and its difference from the first, with places to draw at."""
    scores = [one.get(metric) for one in compared.scores]
    spans = [(s.get(f"{metric}_low"), s.get(f"{metric}_high")) for s in compared.scores]
    tested = [None] + [
        next((d for d in one.differences if d.metric == metric), None) for one in compared.against
    ]
    bounds = around([v for v in (*scores, *(x for span in spans for x in span)) if v is not None])
    apart = around([0.0, *(v for d in tested if d for v in (d.value, d.low, d.high))])
    greater = compared.greater_is_better.get(metric, True)
    rows = []
    for i, name in enumerate(compared.names):
        d, value = tested[i], scores[i]
        row: dict[str, Any] = {
            "name": name,
            "color": i,
            "text": "–",
            "mark": None,
            "apart": None,
            "outcome": "",
        }
        if value is not None:
            low, high = (value if v is None else v for v in spans[i])
            row["text"] = verdicts.score_text(compared.scores[i], metric)
            row["mark"] = [place(v, bounds) for v in (low, value, high)]
        if d is not None:
            side = "better" if (d.value > 0) == greater else "worse"
            row["apart"] = [place(v, apart) for v in (d.low, d.value, d.high)]
            row["signed"], row["p"] = verdicts.signed(d), p_text(d.adjusted)
            row["outcome"] = side if d.adjusted <= verdicts.LEVEL else "open"
        rows.append(row)
    return {
        "metric": metric,
        "greater": greater,
        "rows": rows,
        "ends": [number(v, metric) for v in bounds],
        "zero": place(0.0, apart),
        "apart_ends": [number(v, metric, sign=True) for v in apart],
        "is_tested": any(tested),
    }


def around(values: Sequence[float]) -> tuple[float, float]:
    """Return bounds that hold the values, with a little room."""
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.01 * max(abs(high), 1e-3)
    return low - room, high + room


def place(value: float, bounds: tuple[float, float]) -> float:
    return round((value - bounds[0]) / (bounds[1] - bounds[0]) * LINE, 1)


def history(model: ComparedModel, name: str) -> list[dict[str, str]]:
    """Return the rows of a training's history; [] where DVC has it nowhere."""
    try:
        text = model.read(HISTORY.format(name)).decode("utf-8")
    except InputError:
        return []
    return list(csv.DictReader(io.StringIO(text)))


def last_step(model: ComparedModel) -> int | None:
    rows = history(model, "train")
    return int(rows[-1]["step"]) if rows else None


def curves(compared_models: Sequence[ComparedModel], metric: str) -> list[dict[str, Any]]:
    """Return the validation loss and the main score by epoch, a line for each model."""
    found = [history(model, "validation") for model in compared_models]
    plots = []
    for name in ("loss", metric):
        lines = [
            [(float(r["epoch"]), float(r[name])) for r in rows if r.get(name)] for rows in found
        ]
        points = [point for line in lines for point in line]
        if points:
            plots.append(plot(f"validation {name}", lines, points))
    return plots


def plot(title: str, lines: list[list[tuple]], points: list[tuple]) -> dict[str, Any]:
    """Return paths, points and ticks of some lines in one picture."""
    width, height = CURVE
    (left, right), (low, high) = (
        (min(v), max(v)) for v in ([p[i] for p in points] for i in range(2))
    )
    room = 0.05 * (high - low) or 0.01 * max(abs(high), 1e-3)
    low, high, left = low - room, high + room, min(left, right - 1e-9)

    def at(point: tuple) -> tuple[float, float]:
        x = (point[0] - left) / (right - left) * width if right - left > 1e-6 else width / 2
        return round(x, 1), round((high - point[1]) / (high - low) * height, 1)

    placed = [[at(point) for point in line] for line in lines]
    return {
        "title": title,
        "lines": [
            {"color": i, "dots": dots,
             "path": " ".join(f"{'L' if j else 'M'}{x},{y}" for j, (x, y) in enumerate(dots))}
            for i, dots in enumerate(placed) if dots
        ],
        "y_ticks": [
            {"y": round(height * i / 4, 1), "text": f"{high - (high - low) * i / 4:.3g}"}
            for i in range(5)
        ],
        "x_ends": [f"{left:.3g}", f"{right:.3g}"],
    }  # fmt: skip
