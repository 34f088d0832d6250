"""The comparison as a self-contained HTML page with SVG plots."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from temper import templates
from temper.compare import verdicts
from temper.compare.model_comparison import Comparison
from temper.compare.seed_groups import Verdict
from temper.core.errors import InputError
from temper.evaluation.text_tables import Table, format_number, format_score

TEMPLATE = "comparison.html.j2"
HISTORY = "data/history/validation.csv"


def page(
    result: Comparison,
    tables: Sequence[Table],
    notes: Sequence[str],
    title: str,
    over_seeds: tuple[Sequence[Verdict], Sequence[Table]] = ((), ()),
) -> str:
    """Render the page.

    Args:
        notes: what is missing or could not be tested.
        over_seeds: verdicts and tables about configurations, which come first.
    """
    return templates.render(
        Path(__file__).with_name(TEMPLATE),
        title=title,
        result=result,
        panels=[panel(result, metric) for metric in result.greater_is_better],
        curves=curves(result),
        over_seeds=over_seeds,
        tables=[table for table in tables if table.rows],
        notes=notes,
        verdicts=verdicts,
        format_number=format_number,
        format_score=format_score,
    )


def panel(result: Comparison, metric: str) -> dict[str, Any]:
    """Return low end, value and high end of a score and its difference, of every model."""
    rows = []
    tested = [[], *(comparison.differences for comparison in result.comparisons)]
    for model, differences in zip(result.models, tested, strict=True):
        value = model.scores.get(metric)
        low, high = (model.scores.get(f"{metric}_{end}", value) for end in ("low", "high"))
        difference = next((d for d in differences if d.metric == metric), None)
        signed = [] if difference is None else [difference.low, difference.value, difference.high]
        marks = [] if value is None else [low, value, high]
        rows.append({"model": model, "marks": marks, "signed": signed, "difference": difference})
    signed = [mark for row in rows for mark in row["signed"]]
    return {
        "metric": metric,
        "rows": rows,
        "ends": padded_bounds([mark for row in rows for mark in row["marks"]]),
        "signed_ends": padded_bounds([0.0, *signed]),
        "is_tested": bool(signed),
    }


def padded_bounds(values: Sequence[float]) -> tuple[float, float]:
    """Return the range of the values with a margin."""
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 0.01 * max(abs(high), 1e-3)
    return low - margin, high + margin


def curves(result: Comparison) -> dict[str, list[list[tuple[float, float]]]]:
    """Return validation loss and main score by epoch: a list of points per model that has any."""
    histories = []
    for model in result.models:
        try:
            histories.append(model.experiment.read_csv(HISTORY))
        except InputError:  # DVC does not have it
            histories.append([])
    by_name = {
        name: [[(float(r["epoch"]), float(r[name])) for r in h if r.get(name)] for h in histories]
        for name in ("loss", result.main)
    }
    return {name: lines for name, lines in by_name.items() if any(lines)}
