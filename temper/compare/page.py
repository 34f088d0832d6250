"""The comparison as a self-contained HTML page with SVG plots."""

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
from temper.compare.verdicts import format_number, format_p
from temper.core.errors import InputError

TEMPLATE = "page.html.j2"
LINE = 165  # width of an interval plot, px
CURVE = (440, 240)  # width and height of a line plot, px
HISTORY = "data/history/{}.csv"


def page(
    models: Sequence[ComparedModel],
    result: Comparison,
    tables: Sequence[Table],
    notes: Sequence[str],
    title: str,
) -> str:
    """Render the page.

    Args:
        models: their training curves are drawn.
        result: of the tests.
        tables: shown as they are.
        notes: what is missing or could not be tested.
        title: of the page.
    """
    return templates.render(
        Path(__file__).with_name(TEMPLATE),
        title=title,
        result=result,
        cards=[card(comparison, result) for comparison in result.comparisons],
        panels=[panel(result, metric) for metric in result.metric_names],
        curves=curves(models, result.main),
        tables=[table for table in tables if table.rows],
        notes=notes,
        method=verdicts.method(result),
        meaning=verdicts.MEANING,
        line=LINE,
        plot=CURVE,
    )


def card(comparison: ModelComparison, result: Comparison) -> dict[str, Any]:
    """Return a verdict and the rows that changed, for the template."""
    greater_is_better = result.greater_is_better.get(result.main, True)
    main = comparison.differences[0] if comparison.differences else None
    return {
        "outcome": verdicts.outcome(comparison, greater_is_better),
        "verdict": verdicts.verdict(comparison, result),
        "value": main and format_number(main.value, main.metric, sign=True),
        "changed": verdicts.changed_rows(comparison, result),
        "comparison": comparison,
        "headings": console_tables.headings(comparison),
    }


def panel(result: Comparison, metric: str) -> dict[str, Any]:
    """Return a score of every model and its difference from the first, with pixel positions."""
    scores = [values.get(metric) for values in result.scores]
    intervals = [(v.get(f"{metric}_low"), v.get(f"{metric}_high")) for v in result.scores]
    tested = [None] + [
        next((d for d in comparison.differences if d.metric == metric), None)
        for comparison in result.comparisons
    ]
    ends = [end for interval in intervals for end in interval]
    bounds = padded_bounds([value for value in (*scores, *ends) if value is not None])
    difference_bounds = padded_bounds(
        [0.0, *(v for d in tested if d for v in (d.value, d.low, d.high))]
    )
    greater_is_better = result.greater_is_better.get(metric, True)
    rows = []
    for i, name in enumerate(result.names):
        d, value = tested[i], scores[i]
        row: dict[str, Any] = {
            "name": name,
            "color": i,
            "text": "–",
            "mark": None,
            "difference": None,
            "outcome": "",
        }
        if value is not None:
            low, high = (value if v is None else v for v in intervals[i])
            row["text"] = verdicts.format_score(result.scores[i], metric)
            row["mark"] = [x_position(v, bounds) for v in (low, value, high)]
        if d is not None:
            side = "better" if (d.value > 0) == greater_is_better else "worse"
            row["difference"] = [x_position(v, difference_bounds) for v in (d.low, d.value, d.high)]
            row["signed"], row["p"] = verdicts.format_difference(d), format_p(d.adjusted)
            row["outcome"] = side if d.adjusted <= verdicts.LEVEL else "open"
        rows.append(row)
    return {
        "metric": metric,
        "greater_is_better": greater_is_better,
        "rows": rows,
        "ends": [format_number(v, metric) for v in bounds],
        "zero": x_position(0.0, difference_bounds),
        "difference_ends": [format_number(v, metric, sign=True) for v in difference_bounds],
        "is_tested": any(tested),
    }


def padded_bounds(values: Sequence[float]) -> tuple[float, float]:
    """Return the range of the values with a margin."""
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 0.01 * max(abs(high), 1e-3)
    return low - margin, high + margin


def x_position(value: float, bounds: tuple[float, float]) -> float:
    return round((value - bounds[0]) / (bounds[1] - bounds[0]) * LINE, 1)


def read_history(model: ComparedModel, name: str) -> list[dict[str, str]]:
    """Read the train or validation history of a training; [] where DVC does not have it."""
    try:
        text = model.read(HISTORY.format(name)).decode("utf-8")
    except InputError:
        return []
    return list(csv.DictReader(io.StringIO(text)))


def last_step(model: ComparedModel) -> int | None:
    rows = read_history(model, "train")
    return int(rows[-1]["step"]) if rows else None


def curves(models: Sequence[ComparedModel], metric: str) -> list[dict[str, Any]]:
    """Return plots of the validation loss and the main score by epoch, a line per model."""
    histories = [read_history(model, "validation") for model in models]
    plots = []
    for name in ("loss", metric):
        lines = [
            [(float(r["epoch"]), float(r[name])) for r in rows if r.get(name)] for rows in histories
        ]
        points = [point for line in lines for point in line]
        if points:
            plots.append(line_plot(f"validation {name}", lines, points))
    return plots


def line_plot(title: str, lines: list[list[tuple]], points: list[tuple]) -> dict[str, Any]:
    """Return the SVG paths, points and ticks of a plot."""
    width, height = CURVE
    (left, right), (low, high) = (
        (min(v), max(v)) for v in ([p[i] for p in points] for i in range(2))
    )
    margin = 0.05 * (high - low) or 0.01 * max(abs(high), 1e-3)
    low, high, left = low - margin, high + margin, min(left, right - 1e-9)

    def position(point: tuple) -> tuple[float, float]:
        x = (point[0] - left) / (right - left) * width if right - left > 1e-6 else width / 2
        return round(x, 1), round((high - point[1]) / (high - low) * height, 1)

    placed = [[position(point) for point in line] for line in lines]
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
