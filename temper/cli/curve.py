"""Learning curve: a validation score by number of training rows, as a table and a page.

`temper curve` after `dvc exp run --queue -S '++data.subset={train: 100},{train: 300}'`
"""

import math
import statistics
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from temper import metrics, templates
from temper.cli.options import Experiments
from temper.compare import experiments
from temper.compare.experiments import METRICS, Experiment
from temper.core import artifacts
from temper.core.errors import InputError, alternatives
from temper.evaluation.text_tables import Table
from temper.params import user_code

VARIED = ("data.subset", "data.subset.train", "seed")
TEMPLATE = "curve.html.j2"
TOLERANCE = 0.01  # relative to the best score: a score this near counts as equal

Points = dict[int, list[float]]  # number of training rows, ascending → score of each run


def curve(
    names: Experiments = None,
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
    cells = [
        [f"{rows:,}", str(len(scores)), experiments.format_mean(scores)]
        for rows, scores in points.items()
    ]
    title = f"validation {name} by training rows"
    table = Table(title, ["training rows", "runs", name], cells)
    enough = near_best(points, greater_is_better)
    verdict = f"within {TOLERANCE:.0%} of the best with {enough:,} training rows"
    if enough == max(points) and len(points) > 1:
        verdict = f"best with all of {enough:,} training rows: more may help"
    console = Console(highlight=False)
    table.print(console)
    console.print(verdict)
    text = page(points, table, verdict, runs[0].parameters.export.name)
    artifacts.replace_text(out, text)
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
            f"{alternatives(name, scores)}"
        )
    return name, known[name]


def measure(runs: list[Experiment], metric: str) -> Points:
    """Return the scores by number of training rows, in ascending order.

    Raises:
        InputError: an experiment lacks the score.
    """
    scores: Points = {}
    for run in runs:
        validation = run.read_json(METRICS).get("validation", {})
        if metric not in validation:
            raise InputError(f"experiment {run.name}: {METRICS} has no validation {metric}")
        rows = run.read_json("data/raw/summary.json")["splits"]["train"]["rows"]
        scores.setdefault(rows, []).append(validation[metric])
    return dict(sorted(scores.items()))


def near_best(points: Points, greater_is_better: bool) -> int:
    """Return the smallest number of rows whose mean score is within TOLERANCE of the best."""
    means = {rows: statistics.fmean(scores) for rows, scores in points.items()}
    best = (max if greater_is_better else min)(means.values())
    return next(rows for rows, mean in means.items() if abs(mean - best) <= TOLERANCE * abs(best))


def page(points: Points, table: Table, verdict: str, title: str) -> str:
    """Render the curve, with a bar of one standard deviation per point, as a page."""
    curve, bars = [], []
    for rows, scores in points.items():
        x, mean = math.log(rows), statistics.fmean(scores)
        deviation = statistics.stdev(scores) if len(scores) > 1 else 0
        curve.append((x, mean))
        bars.append([(x, mean - deviation), (x, mean + deviation)])
    return templates.render(
        Path(__file__).with_name(TEMPLATE),
        title=title,
        table=table,
        verdict=verdict,
        curve=curve,
        bars=bars,
        ticks=[(math.log(rows), f"{rows:,}") for rows in points],
    )
