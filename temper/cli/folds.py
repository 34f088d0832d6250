"""The experiments of one cross-validation → each fold's scores, their mean, and the pooled scores.

`temper folds` after `dvc exp run --queue -S 'data.fold={k: 5, index: 0},{k: 5, index: 1}…'`
"""

import csv
import io
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from temper.compare import experiments
from temper.compare.experiments import Experiment
from temper.core.errors import InputError

METRICS = "data/evaluation/metrics.json"
PREDICTIONS = "data/evaluation/predictions/validation.csv"
VARIED = ("data.fold.index",)
MOST_SCORES = 4
WORDS = {"entities": str.split, "choices": int, "summarization": str, "translation": str}


def folds(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="EXPERIMENT", help="Default: all of the current commit."),
    ] = None,
) -> None:
    """Put the folds of a cross-validation together: each score, the mean, all rows pooled."""
    from rich.console import Console
    from rich.table import Table

    from temper.params import user_code

    found = complete(experiments.finished(names or []), bool(names))
    parameters = found[0].parameters
    scores = [one.read_json(METRICS).get("validation", {}) for one in found]
    parts = [read_rows(one) for one in found]
    rows = [row for part in parts for row in part]
    together = pooled(parameters.task.metrics, rows, parameters.evaluate.positive_label)
    yours = [user_code.last(name) for name in parameters.evaluate.metrics or ()]
    shown = headline(parameters.task.metrics, scores, yours)
    table = Table(title=f"{len(found)} folds, validation")
    for name in ("fold", "experiment", "rows", *shown):
        table.add_column(name)
    for i, (one, part, score) in enumerate(zip(found, parts, scores, strict=True)):
        values = [f"{score[name]:.4f}" for name in shown]
        table.add_row(str(i), one.name, str(len(part)), *values)
    means = [experiments.as_text([score[name] for score in scores]) for name in shown]
    table.add_section()
    table.add_row("mean", "", "", *means)
    values = [f"{together[name]:.4f}" if name in together else "" for name in shown]
    table.add_row("pooled", "", str(len(rows)), *values)
    console = Console(highlight=False)
    console.print(table)
    if not together:
        console.print(f"{parameters.task.metrics}: what evaluate writes has no pooled scores")


def complete(found: list[Experiment], named: bool) -> list[Experiment]:
    """Return the experiment of each fold, in order.

    Raises:
        InputError: none has a fold, or they differ in more than the fold, or some are missing.
    """
    for one in found if named else ():
        if one.parameters.data.fold is None:
            raise InputError(f"experiment {one.name} has no fold: its data.fold is null")
    found = [one for one in found if one.parameters.data.fold is not None]
    if not found:
        folds = ",".join(f"{{k: 5, index: {i}}}" for i in range(5))
        raise InputError(
            "no finished experiment of this commit has data.fold; take validation out of "
            "data.files (or data.hub.splits), commit, and make them with\n"
            f"  dvc exp run --queue -S 'data.fold={folds}'\n  dvc queue start"
        )
    experiments.check_alike(found, VARIED, "temper folds")
    by_index: dict[int, Experiment] = {}
    for one in found:
        assert one.parameters.data.fold is not None
        by_index.setdefault(one.parameters.data.fold.index, one)  # a repetition is the same
    fold = found[0].parameters.data.fold
    assert fold is not None
    missing = [i for i in range(fold.k) if i not in by_index]
    if missing:
        folds = ",".join(f"{{k: {fold.k}, index: {index}}}" for index in missing)
        raise InputError(
            f"of {fold.k} folds, {', '.join(map(str, missing))} missing: wait for those that are "
            "queued or running (dvc queue status), or make them with\n"
            f"  dvc exp apply {found[0].name}\n"
            f"  dvc exp run --queue -S 'data.fold={folds}'\n  dvc queue start"
        )
    return [by_index[i] for i in range(fold.k)]


def read_rows(one: Experiment) -> list[dict[str, str]]:
    """Return the rows of an experiment's validation predictions."""
    return list(csv.DictReader(io.StringIO(one.read(PREDICTIONS), newline="")))


def headline(kind: str, scores: list[dict[str, float]], yours: Sequence[str] = ()) -> list[str]:
    """Return the main scores, and the user's own, that every fold has.

    Raises:
        InputError: a fold's validation was not scored.
    """
    from temper import metrics

    known = (metrics.load(kind).HEADLINE, yours)
    names, more = ([n for n in one if all(n in score for score in scores)] for one in known)
    if not names:
        raise InputError(f"{METRICS}: the folds share no validation score of {kind}")
    return names[:MOST_SCORES] + more


def pooled(kind: str, rows: list[dict[str, str]], positive: str | None) -> dict[str, float]:
    """Return the scores of the rows of all folds together; {} where the files do not hold enough.

    Args:
        kind: the module of temper/metrics.
        rows: of the predictions files, as strings.
        positive: binary: the label that precision, recall and F1 are about.
    """
    from temper import metrics

    if metrics.scores_logits(kind):
        return pooled_labels(kind, rows, positive)
    if kind not in WORDS:
        return {}
    parsed: Any = WORDS[kind]
    predictions, references = (
        [parsed(row[column]) for row in rows] for column in ("prediction", "reference")
    )
    return metrics.compute_from_predictions(kind, predictions, references)


def pooled_labels(kind: str, rows: list[dict[str, str]], positive: str | None) -> dict[str, float]:
    """Return the scores of labels or numbers as evaluate computes them.

    Probabilities stand in the files with 6 digits, so a log-loss is as exact as these.
    """
    import numpy as np
    from scipy.sparse import csr_array

    from temper.evaluation.split_result import LabelSpec, SplitResult, scores

    names = [key.removeprefix("score_") for key in rows[0] if key.startswith("score_")]
    at = names.index(positive) if positive in names else None
    spec = LabelSpec(metrics=kind, names=names, positive=at, threshold=0.5)
    probabilities = np.array([[float(row[f"score_{name}"]) for name in names] for row in rows])
    clipped = np.clip(probabilities, 5e-7, 1 - 5e-7)
    predictions, references = (
        np.array([parse(row[column], kind, names) for row in rows])
        for column in ("prediction", "reference")
    )
    if kind == "classification":
        loss = -np.log(clipped[np.arange(len(rows)), references])
    elif kind == "multi_label":
        loss = -np.where(references, np.log(clipped), np.log(1 - clipped)).mean(-1)
        predictions, references = csr_array(predictions), csr_array(references)
    else:
        loss = (predictions - references) ** 2
    found = SplitResult(
        predictions=predictions,
        references=references,
        confidence=np.array([float(row["score"]) for row in rows]),
        loss=loss,
        sample=np.arange(len(rows)),
        probabilities=probabilities,
    )
    return scores(found, spec)


def parse(text: str, kind: str, names: list[str]) -> Any:
    """Return what a cell of a predictions file says: an id, booleans or a number."""
    if kind == "regression":
        return float(text)
    if kind == "multi_label":
        return [name in text.split("|") for name in names]
    return names.index(text)
