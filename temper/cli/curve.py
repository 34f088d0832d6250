"""Learning curve: a validation score by number of training rows, as a table and a page.

`temper curve` after `dvc exp run --queue -S '++data.subset={train: 100},{train: 300}'`
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from temper import metrics, templates
from temper.compare import experiments
from temper.compare.experiments import Experiment
from temper.core.errors import InputError, nearest
from temper.params import user_code

METRICS = "data/evaluation/metrics.json"
VARIED = ("data.subset", "data.subset.train", "seed")
TEMPLATE = "curve.html.j2"
WIDTH, HEIGHT = 720, 360  # of the plot, px
TOLERANCE = 0.01  # relative to the best score: a score this near counts as equal


@dataclass(frozen=True, kw_only=True)
class Point:
    """The runs with the same number of training rows."""

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
    """Plot a validation score against the number of labelled training rows."""
    runs = experiments.finished(names or [])
    if not names:
        runs = [run for run in runs if "train" in (run.parameters.data.subset or {})]
    if not runs:
        raise InputError(
            "no finished experiment of this commit has data.subset.train; create some with\n"
            "  dvc exp run --queue -S '++data.subset={train: 0.1},{train: 0.3},{train: 1.0}' "
            "-S seed=1,2,3\n  dvc queue start"
        )
    experiments.check_alike(runs, VARIED, "temper curve")
    name, greater_is_better = select_metric(runs[0], metric)
    points = measure(runs, name)
    title = f"validation {name} by training rows"
    table = Table(title=title, min_width=len(title))
    for column in ("training rows", "runs", name):
        table.add_column(column)
    for point in points:
        mean = experiments.format_mean(point.scores)
        table.add_row(f"{point.rows:,}", str(len(point.scores)), mean)
    console = Console(highlight=False)
    console.print(table)
    enough = near_best(points, greater_is_better)
    verdict = f"within {TOLERANCE:.0%} of the best with {enough:,} training rows"
    console.print(verdict)
    title = runs[0].parameters.export.name
    out.write_text(page(points, name, verdict, title), encoding="utf-8")
    console.print(f"page       {out}")


def select_metric(experiment: Experiment, metric: str | None) -> tuple[str, bool]:
    """Return the name of a validation score in metrics.json, and whether greater is better.

    Raises:
        InputError: the experiment has no such score.
    """
    p, module = experiment.parameters, experiment.parameters.task.metrics
    known = metrics.load(module).GREATER_IS_BETTER | metrics.custom_directions(user_code.metrics(p))
    scores = [name for name in experiment.read_json(METRICS).get("validation", {}) if name in known]
    name = metric or user_code.attribute_name(p.train.metric_for_best_model)
    if name == "loss" and "loss" not in scores:
        name = "mse" if module == "regression" else "log_loss"
    if name not in scores:
        raise InputError(
            f"--metric {name}: experiment {experiment.name} has no such validation score"
            f"{nearest(name, scores)}; it has {', '.join(scores) or 'none'}"
        )
    return name, known[name]


def measure(runs: list[Experiment], metric: str) -> list[Point]:
    """Return a point for each number of training rows, in ascending order.

    Raises:
        InputError: an experiment lacks the score.
    """
    scores: dict[int, list[float]] = {}
    for run in runs:
        validation = run.read_json(METRICS).get("validation", {})
        if metric not in validation:
            raise InputError(f"experiment {run.name}: {METRICS} has no validation {metric}")
        rows = run.read_json("data/raw/summary.json")["splits"]["train"]["rows"]
        scores.setdefault(rows, []).append(validation[metric])
    return [Point(rows=rows, scores=scores[rows]) for rows in sorted(scores)]


def near_best(points: list[Point], greater_is_better: bool) -> int:
    """Return the smallest number of rows whose mean score is within TOLERANCE of the best."""
    best = (max if greater_is_better else min)(point.mean for point in points)
    return next(p.rows for p in points if abs(p.mean - best) <= TOLERANCE * abs(best))


def page(points: list[Point], metric: str, verdict: str, title: str) -> str:
    """Render the curve as a self-contained HTML page."""
    return templates.render(
        Path(__file__).with_name(TEMPLATE),
        title=title,
        metric=metric,
        verdict=verdict,
        points=points,
        dots=(dots := plot_points(points)),
        path=" ".join(f"{'L' if i else 'M'}{d['x']},{d['y']}" for i, d in enumerate(dots)),
        ticks=ticks(points),
        width=WIDTH,
        height=HEIGHT,
    )


def bounds(points: list[Point]) -> tuple[float, float]:
    """Return the lowest and highest value of the y axis."""
    low = min(point.mean - point.deviation for point in points)
    high = max(point.mean + point.deviation for point in points)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def plot_points(points: list[Point]) -> list[dict[str, Any]]:
    """Return pixel positions of the points (x is logarithmic) and of their error bars."""
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
    """Return the y axis: five labels and their pixel positions."""
    low, high = bounds(points)
    return [
        {"y": round(HEIGHT * i / 4, 1), "text": f"{high - (high - low) * i / 4:.3f}"}
        for i in range(5)
    ]
