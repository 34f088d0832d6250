"""Experiments with more and more training rows → a table and a page of the learning curve.

`temper curve` after `dvc exp run --queue -S 'data.subset={train: 100},{train: 300}' -S seed=1,2,3`
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from temper import templates
from temper.compare import experiments
from temper.compare.experiments import Experiment
from temper.core.errors import InputError, nearest

METRICS = "data/evaluation/metrics.json"
VARIED = ("data.subset", "data.subset.train", "seed")
TEMPLATE = "curve.html.j2"
WIDTH, HEIGHT = 720, 360  # of the picture, px
NEAR = 0.01  # a score this near the best one, as a share of it, is as good


@dataclass(frozen=True, kw_only=True)
class Point:
    """The runs with one number of training rows."""

    rows: int
    scores: list[float]

    @property
    def mean(self) -> float:
        return sum(self.scores) / len(self.scores)

    @property
    def deviation(self) -> float:
        return experiments.deviation(self.scores) or 0.0


def curve(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="EXPERIMENT", help="Default: all of the current commit."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="A validation score; default: train.metric_for_best_model.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("learning_curve.html"),
) -> None:
    """Show how a validation score grows with the number of labelled training rows."""
    from rich.console import Console
    from rich.table import Table

    found = experiments.finished(names or [])
    if not names:
        found = [one for one in found if "train" in (one.parameters.data.subset or {})]
    if not found:
        raise InputError(
            "no finished experiment of this commit has data.subset.train; make them with\n"
            "  dvc exp run --queue -S 'data.subset={train: 0.1},{train: 0.3},{train: 1.0}' "
            "-S seed=1,2,3\n  dvc queue start"
        )
    experiments.check_alike(found, VARIED, "temper curve")
    name, better = chosen_metric(found[0], metric)
    points = measure(found, name)
    title = f"validation {name} by training rows"
    table = Table(title=title, min_width=len(title))
    for column in ("training rows", "runs", name):
        table.add_column(column)
    for point in points:
        row = str(len(point.scores)), experiments.as_text(point.scores)
        table.add_row(f"{point.rows:,}", *row)
    console = Console(highlight=False)
    console.print(table)
    enough = near_best(points, better)
    verdict = f"within {NEAR:.0%} of the best with {enough:,} training rows"
    console.print(verdict)
    title = found[0].parameters.export.name
    out.write_text(page(points, name, verdict, title), encoding="utf-8")
    console.print(f"page       {out}")


def chosen_metric(one: Experiment, metric: str | None) -> tuple[str, bool]:
    """Return the name of a validation score in metrics.json, and whether more of it is better.

    Raises:
        InputError: there is none of this name.
    """
    from temper import metrics
    from temper.params import user_code

    p, kind = one.parameters, one.parameters.task.metrics
    known = metrics.load(kind).GREATER_IS_BETTER | metrics.custom_directions(user_code.metrics(p))
    scores = [name for name in one.read_json(METRICS).get("validation", {}) if name in known]
    name = metric or user_code.last(p.train.metric_for_best_model)
    if name == "loss" and "loss" not in scores:
        name = "mse" if kind == "regression" else "log_loss"
    if name not in scores:
        raise InputError(
            f"--metric {name}: experiment {one.name} has no such validation score"
            f"{nearest(name, scores)}; it has {', '.join(scores) or 'none'}"
        )
    return name, known[name]


def measure(found: list[Experiment], metric: str) -> list[Point]:
    """Return a point for each number of training rows, the fewest first.

    Raises:
        InputError: an experiment lacks the score.
    """
    scores: dict[int, list[float]] = {}
    for one in found:
        validation = one.read_json(METRICS).get("validation", {})
        if metric not in validation:
            raise InputError(f"experiment {one.name}: {METRICS} has no validation {metric}")
        rows = one.read_json("data/raw/summary.json")["splits"]["train"]["rows"]
        scores.setdefault(rows, []).append(validation[metric])
    return [Point(rows=rows, scores=scores[rows]) for rows in sorted(scores)]


def near_best(points: list[Point], greater_is_better: bool) -> int:
    """Return the fewest rows whose mean score is as good as the best, or nearly."""
    best = (max if greater_is_better else min)(point.mean for point in points)
    return next(p.rows for p in points if abs(p.mean - best) <= NEAR * abs(best))


def page(points: list[Point], metric: str, verdict: str, title: str) -> str:
    """Return the curve as one HTML page that links to nothing."""
    return templates.render(
        Path(__file__).with_name(TEMPLATE),
        title=title,
        metric=metric,
        verdict=verdict,
        points=points,
        dots=(dots := place(points)),
        path=" ".join(f"{'L' if i else 'M'}{d['x']},{d['y']}" for i, d in enumerate(dots)),
        ticks=ticks(points),
        width=WIDTH,
        height=HEIGHT,
    )


def bounds(points: list[Point]) -> tuple[float, float]:
    """Return the lowest and highest value to draw."""
    low = min(point.mean - point.deviation for point in points)
    high = max(point.mean + point.deviation for point in points)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def place(points: list[Point]) -> list[dict[str, Any]]:
    """Return where each point lies in the picture: rows on a logarithmic axis, its deviation."""
    low, high = bounds(points)
    first, last = math.log(points[0].rows), math.log(points[-1].rows)

    def y_of(value: float) -> float:
        return round((high - value) / (high - low) * HEIGHT, 1)

    def x_of(rows: int) -> float:
        return round((math.log(rows) - first) / (last - first) * WIDTH if last > first else 0, 1)

    return [
        {
            "rows": point.rows,
            "x": x_of(point.rows),
            "y": y_of(point.mean),
            "top": y_of(point.mean + point.deviation),
            "bottom": y_of(point.mean - point.deviation),
        }
        for point in points
    ]


def ticks(points: list[Point]) -> list[dict[str, Any]]:
    """Return five values of the score and the heights they stand at."""
    low, high = bounds(points)
    return [
        {"y": round(HEIGHT * i / 4, 1), "text": f"{high - (high - low) * i / 4:.3f}"}
        for i in range(5)
    ]
