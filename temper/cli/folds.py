"""Aggregate the experiments of a cross-validation: scores per fold, their mean, pooled scores.

`temper folds` after `dvc exp run --queue -S '++data.fold={k: 5, index: 0},{k: 5, index: 1}…'`
"""

import math
from collections.abc import Sequence

from rich.console import Console

from temper import metrics
from temper.cli.options import Experiments
from temper.compare import experiments, row_scores, significance
from temper.compare.experiments import METRICS, Experiment
from temper.core.errors import InputError
from temper.evaluation.text_tables import Table
from temper.params import user_code

PREDICTIONS = "data/evaluation/predictions/validation.csv"
VARIED = ("data.fold.index",)
MAX_SCORES = 4  # columns of the table


def folds(names: Experiments = None) -> None:
    """Aggregate a cross-validation: the scores of each fold, their mean, all rows pooled."""
    runs = all_folds(experiments.finished(names or []), bool(names))
    parameters, module = runs[0].parameters, runs[0].parameters.task.metrics
    fold_scores = [run.read_json(METRICS).get("validation", {}) for run in runs]
    fold_rows = [run.read_csv(PREDICTIONS) for run in runs]
    all_rows = [row for rows in fold_rows for row in rows]
    pooled = pooled_scores(module, all_rows, parameters.evaluate.positive_label)
    custom = [user_code.attribute_name(name) for name in parameters.evaluate.metrics or ()]
    columns = main_scores(module, fold_scores, custom)
    table = Table(f"{len(runs)} folds, validation", ["fold", "experiment", "rows", *columns], [])
    for i, (run, rows, scores) in enumerate(zip(runs, fold_rows, fold_scores, strict=True)):
        values = [f"{scores[name]:.4f}" for name in columns]
        table.rows.append([str(i), run.name, str(len(rows)), *values])
    means = [experiments.format_mean([scores[name] for scores in fold_scores]) for name in columns]
    table.rows.append(["mean", "", "", *means])
    values = [f"{pooled[name]:.4f}" if name in pooled else "" for name in columns]
    table.rows.append(["pooled", "", str(len(all_rows)), *values])
    table.print(Console(highlight=False))


def all_folds(runs: list[Experiment], named: bool) -> list[Experiment]:
    """Select the experiment of each fold, in order.

    Raises:
        InputError: none has a fold, they differ in more than the fold, or some are missing.
    """
    for run in runs if named else ():
        if run.parameters.data.fold is None:
            raise InputError(f"experiment {run.name} has no fold: its data.fold is null")
    found = [(fold, run) for run in runs if (fold := run.parameters.data.fold) is not None]
    if not found:
        folds = ",".join(f"{{k: 5, index: {i}}}" for i in range(5))
        raise InputError(
            "no finished experiment of this commit has data.fold; remove validation from "
            "data.files (or data.hub.splits), commit, and create them with\n"
            f"  dvc exp run --queue -S '++data.fold={folds}'\n  dvc queue start"
        )
    experiments.check_alike([run for _, run in found], VARIED, "temper folds")
    by_index = {fold.index: run for fold, run in reversed(found)}  # repetitions give the same
    k = found[0][0].k
    missing = [i for i in range(k) if i not in by_index]
    if missing:
        folds = ",".join(f"{{k: {k}, index: {index}}}" for index in missing)
        raise InputError(
            f"of {k} folds, {', '.join(map(str, missing))} missing: wait for those that are "
            "queued or running (dvc queue status), or create them with\n"
            f"  dvc exp apply {found[0][1].name}\n"
            f"  dvc exp run --queue -S '++data.fold={folds}'\n  dvc queue start"
        )
    return [by_index[i] for i in range(k)]


def main_scores(
    module: str, fold_scores: list[dict[str, float]], custom: Sequence[str] = ()
) -> list[str]:
    """List the main and the custom scores that every fold has.

    Raises:
        InputError: there is none: a fold has no labelled validation rows.
    """
    main, custom = (
        [name for name in names if all(name in scores for scores in fold_scores)]
        for names in (metrics.load(module).HEADLINE, custom)
    )
    if not main:
        raise InputError(f"{METRICS}: the folds share no validation score of {module}")
    return main[:MAX_SCORES] + custom


def pooled_scores(
    module: str, rows: list[dict[str, str]], positive: str | None
) -> dict[str, float]:
    """Score the rows of all folds together, as far as predictions files suffice.

    Args:
        positive: binary: the label that precision, recall and F1 are about.
    """
    scored = row_scores.from_rows(module, rows, row_scores.label_names(rows), positive)
    values = {name: float(value) for name, (value,) in significance.observed([scored]).items()}
    return {name: value for name, value in values.items() if math.isfinite(value)}
