"""Aggregate the experiments of a cross-validation: scores per fold, their mean, pooled scores.

`temper folds` after `dvc exp run --queue -S '++data.fold={k: 5, index: 0},{k: 5, index: 1}…'`
"""

import csv
import io
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from temper import metrics
from temper.compare import experiments
from temper.compare.experiments import Experiment
from temper.core.errors import InputError
from temper.metrics.labels import LabelOutputs
from temper.params import user_code

METRICS = "data/evaluation/metrics.json"
PREDICTIONS = "data/evaluation/predictions/validation.csv"
VARIED = ("data.fold.index",)
MAX_SCORES = 4  # columns of the table
PARSERS = {  # module of temper/metrics → what reads a cell of its predictions files
    "entities": str.split,
    "choices": int,
    "summarization": str,
    "translation": str,
}


def folds(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="EXPERIMENT", help="Default: all of the current commit."),
    ] = None,
) -> None:
    """Aggregate a cross-validation: the scores of each fold, their mean, all rows pooled."""
    runs = all_folds(experiments.finished(names or []), bool(names))
    parameters = runs[0].parameters
    fold_scores = [run.read_json(METRICS).get("validation", {}) for run in runs]
    fold_rows = [read_rows(run) for run in runs]
    rows = [row for part in fold_rows for row in part]
    pooled = pooled_scores(parameters.task.metrics, rows, parameters.evaluate.positive_label)
    custom = [user_code.attribute_name(name) for name in parameters.evaluate.metrics or ()]
    columns = main_scores(parameters.task.metrics, fold_scores, custom)
    table = Table(title=f"{len(runs)} folds, validation")
    for name in ("fold", "experiment", "rows", *columns):
        table.add_column(name)
    for i, (run, part, score) in enumerate(zip(runs, fold_rows, fold_scores, strict=True)):
        values = [f"{score[name]:.4f}" for name in columns]
        table.add_row(str(i), run.name, str(len(part)), *values)
    means = [experiments.format_mean([score[name] for score in fold_scores]) for name in columns]
    table.add_section()
    table.add_row("mean", "", "", *means)
    values = [f"{pooled[name]:.4f}" if name in pooled else "" for name in columns]
    table.add_row("pooled", "", str(len(rows)), *values)
    console = Console(highlight=False)
    console.print(table)
    if not pooled:
        console.print(f"{parameters.task.metrics}: no pooled scores from the predictions files")


def all_folds(runs: list[Experiment], named: bool) -> list[Experiment]:
    """Select the experiment of each fold, in order.

    Raises:
        InputError: none has a fold, they differ in more than the fold, or some are missing.
    """
    for run in runs if named else ():
        if run.parameters.data.fold is None:
            raise InputError(f"experiment {run.name} has no fold: its data.fold is null")
    runs = [run for run in runs if run.parameters.data.fold is not None]
    if not runs:
        folds = ",".join(f"{{k: 5, index: {i}}}" for i in range(5))
        raise InputError(
            "no finished experiment of this commit has data.fold; remove validation from "
            "data.files (or data.hub.splits), commit, and create them with\n"
            f"  dvc exp run --queue -S '++data.fold={folds}'\n  dvc queue start"
        )
    experiments.check_alike(runs, VARIED, "temper folds")
    by_index: dict[int, Experiment] = {}
    for run in runs:
        assert run.parameters.data.fold is not None
        by_index.setdefault(run.parameters.data.fold.index, run)  # a repetition gives the same
    fold = runs[0].parameters.data.fold
    assert fold is not None
    missing = [i for i in range(fold.k) if i not in by_index]
    if missing:
        folds = ",".join(f"{{k: {fold.k}, index: {index}}}" for index in missing)
        raise InputError(
            f"of {fold.k} folds, {', '.join(map(str, missing))} missing: wait for those that are "
            "queued or running (dvc queue status), or create them with\n"
            f"  dvc exp apply {runs[0].name}\n"
            f"  dvc exp run --queue -S '++data.fold={folds}'\n  dvc queue start"
        )
    return [by_index[i] for i in range(fold.k)]


def read_rows(experiment: Experiment) -> list[dict[str, str]]:
    """Read an experiment's validation predictions."""
    return list(csv.DictReader(io.StringIO(experiment.read(PREDICTIONS), newline="")))


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
    """Score the rows of all folds together; {} where the predictions files do not suffice.

    Args:
        module: of temper/metrics.
        rows: of the predictions files, as strings.
        positive: binary: the label that precision, recall and F1 are about.
    """
    if metrics.scores_logits(module):
        return pooled_label_scores(module, rows, positive)
    if module not in PARSERS:
        return {}
    parsed: Any = PARSERS[module]
    predictions, references = (
        [parsed(row[column]) for row in rows] for column in ("prediction", "reference")
    )
    return metrics.compute_from_predictions(module, predictions, references)


def pooled_label_scores(
    module: str, rows: list[dict[str, str]], positive: str | None
) -> dict[str, float]:
    """Score labels or numbers as evaluate does.

    The files hold probabilities with 6 digits, which limits the precision of the log-loss.
    """
    names = [key.removeprefix("score_") for key in rows[0] if key.startswith("score_")]
    probabilities = np.array([[float(row[f"score_{name}"]) for name in names] for row in rows])
    predictions, references = (
        np.array([parse(row[column], module, names) for row in rows])
        for column in ("prediction", "reference")
    )
    if module == "regression":
        loss = (predictions - references) ** 2
    else:
        loss = metrics.load(module).log_loss(probabilities, references, floor=5e-7)
    outputs = LabelOutputs(
        predictions=predictions,
        confidence=np.array([float(row["score"]) for row in rows]),
        loss=loss,
        probabilities=probabilities,
    )
    positive_id = names.index(positive) if positive in names else None
    return metrics.compute_from_outputs(module, outputs, references, positive_id)


def parse(text: str, module: str, names: list[str]) -> float | int | list[bool]:
    """Parse a cell of a predictions file: a label id, one boolean per label, or a number."""
    if module == "regression":
        return float(text)
    if module == "multi_label":
        return [name in text.split("|") for name in names]
    return names.index(text)
