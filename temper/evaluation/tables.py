"""Scored rows → the CSV tables behind DVC's plots and the report."""

import base64
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper import metrics
from temper.core import csv_file
from temper.evaluation import bootstrap
from temper.evaluation.split_result import LabelSpec, SplitResult, dense, label_text, scores
from temper.metrics.aggregates import safe_divide
from temper.tasks.base import Task
from temper.tasks.base.images import open_image

if TYPE_CHECKING:
    from datasets import Dataset

MOST_LABELS = 30  # in the confusion matrix; the most frequent ones
MOST_PAIRS = 30
MOST_POINTS = 200  # of a curve
MOST_VALUES = 30  # of a slice column; the most frequent ones
BINS = 10  # of the calibration curve
THUMBNAIL_SIZE = 96  # longest side of a listed image, px

Table = list[dict[str, Any]]
InputFormatters = dict[str, Callable[[int], str]]  # column → row number → text


def write_csv(path: Path, rows: Table) -> None:
    """Write rows with their keys as header; no file for no rows."""
    if rows:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv_file.Writer(file)
            writer.writerow(rows[0])
            writer.writerows([row.get(name) for name in rows[0]] for row in rows)


def rounded(value: Any) -> float:
    return round(float(value), 6)


def per_class(result: SplitResult, spec: LabelSpec) -> Table:
    """Return precision, recall, F1 and support of each label, by support."""
    predictions, references = result.predictions, result.references
    assert references is not None
    num_labels = len(spec.label_names)
    if spec.metrics == "multi_label":
        hits = predictions.multiply(references).sum(0)
        predicted, actual = predictions.sum(0), references.sum(0)
    else:
        hits = np.bincount(references[predictions == references], minlength=num_labels)
        predicted = np.bincount(predictions, minlength=num_labels)
        actual = np.bincount(references, minlength=num_labels)
    columns = {
        "precision": safe_divide(hits.astype(float), predicted),
        "recall": safe_divide(hits.astype(float), actual),
        "f1": safe_divide(2.0 * hits, actual + predicted),
    }
    by_support = np.argsort(-actual, kind="stable")
    return [
        {"label": spec.label_names[i], "support": int(actual[i]), "predicted": int(predicted[i])}
        | {name: rounded(values[i]) for name, values in columns.items()}
        for i in by_support
    ]


def confusion(result: SplitResult, spec: LabelSpec) -> tuple[Table, Table]:
    """Return (actual, predicted) per row for the most frequent labels, and the worst pairs."""
    assert result.references is not None
    names, references = spec.label_names, result.references.tolist()
    cells = Counter(zip(references, result.predictions.tolist(), strict=True))
    support = Counter(references)
    frequent = {label for label, _ in support.most_common(MOST_LABELS)}
    rows = [
        {"actual": names[actual], "predicted": names[predicted]}
        for (actual, predicted), count in sorted(cells.items())
        if actual in frequent and predicted in frequent
        for _ in range(count)
    ]
    errors = sorted(((n, a, p) for (a, p), n in cells.items() if a != p), key=lambda c: (-c[0], c))
    pairs = [
        {
            "actual": names[actual],
            "predicted": names[predicted],
            "count": count,
            "share_of_actual": rounded(count / support[actual]),
        }
        for count, actual, predicted in errors[:MOST_PAIRS]
    ]
    return rows, pairs


def curves(result: SplitResult, spec: LabelSpec) -> dict[str, Table]:
    """Return the points of the ROC, precision-recall and calibration curves.

    The first two are the positive class's, or those of all labels together (multi-label); with
    more than two classes, or rows of one class alone, there are none.
    """
    from sklearn.metrics import precision_recall_curve, roc_curve

    assert result.references is not None
    is_multi_label = spec.metrics == "multi_label"
    sampled = dense(result.references[result.sampled_rows])
    if is_multi_label:
        truth, score = sampled.ravel(), result.probabilities.ravel()
        confidence, is_right = score, truth
    else:
        positive = 1 if spec.positive is None else spec.positive
        truth, score = sampled == positive, result.probabilities[:, positive]
        confidence, is_right = result.confidence, result.predictions == result.references
    points: dict[str, Table] = {}
    if (len(spec.label_names) == 2 or is_multi_label) and truth.any() and not truth.all():
        false_positives, true_positives, _ = roc_curve(truth, score)
        points["roc"] = thinned(
            false_positive_rate=false_positives, true_positive_rate=true_positives
        )
        precision, recall, _ = precision_recall_curve(truth, score)
        points["pr"] = thinned(recall=recall[::-1], precision=precision[::-1])
    return points | {"calibration": calibration_curve(confidence, is_right)}


def calibration_curve(confidence: np.ndarray, is_right: np.ndarray) -> Table:
    """Return mean confidence, accuracy and rows of each of `BINS` bins of equal width."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        {
            "confidence": rounded(confidence[bins == b].mean()),
            "share_right": rounded(is_right[bins == b].mean()),
            "rows": int((bins == b).sum()),
        }
        for b in np.unique(bins)
    ]


def thinned(**columns: np.ndarray) -> Table:
    """Return the columns as rows, at most `MOST_POINTS` of them."""
    size = len(next(iter(columns.values())))
    points = np.unique(np.linspace(0, size - 1, min(size, MOST_POINTS)).round().astype(int))
    return [{name: rounded(values[i]) for name, values in columns.items()} for i in points]


def select_rows(result: SplitResult, rows: np.ndarray) -> SplitResult:
    """Return some rows of a split."""
    assert result.references is not None
    assert result.loss is not None
    inside = np.isin(result.sampled_rows, rows)
    return SplitResult(
        predictions=result.predictions[rows],
        references=result.references[rows],
        confidence=result.confidence[rows],
        loss=result.loss[rows],
        sampled_rows=np.searchsorted(rows, result.sampled_rows[inside]),
        probabilities=result.probabilities[inside],
    )


def slice_table(
    columns: Mapping[str, Sequence],
    scores_of: Callable[[np.ndarray], dict[str, float]],
    headline: Sequence[str],
) -> Table:
    """Return count, scores and intervals for each of the most frequent values of each column.

    Args:
        columns: the slice columns of the raw examples.
        scores_of: returns scores and intervals of some rows.
        headline: the metrics; the first two are listed.
    """
    table = []
    keys = [key for name in headline[:2] for key in (name, f"{name}_low", f"{name}_high")]
    for column, values in columns.items():
        texts = np.array(["" if value is None else str(value) for value in values])
        for value, count in sorted(Counter(texts.tolist()).most_common(MOST_VALUES)):
            part = scores_of(np.flatnonzero(texts == value))
            numbers = {key: rounded(part[key]) if key in part else "" for key in keys}
            table.append({"column": column, "value": value, "rows": count, **numbers})
    return table


def label_slices(
    result: SplitResult,
    columns: Mapping[str, Sequence],
    spec: LabelSpec,
    num_samples: int,
    seed: int,
) -> Table:
    """Return the `slice_table` of a label task."""

    def scores_of(rows: np.ndarray) -> dict[str, float]:
        part = select_rows(result, rows)
        return scores(part, spec) | bootstrap.intervals(part, spec, num_samples, seed)

    return slice_table(columns, scores_of, metrics.load(spec.metrics).HEADLINE)


def worst_examples(
    result: SplitResult, inputs: InputFormatters, spec: LabelSpec, count: int
) -> Table:
    """Return the rows with the highest loss, worst first, with their inputs."""
    assert result.references is not None
    assert result.loss is not None
    order = np.argsort(-result.loss, kind="stable")[:count]
    return [
        {
            "row": int(i),
            "loss": rounded(result.loss[i]),
            "reference": label_text(result.references[i], spec),
            "prediction": label_text(result.predictions[i], spec),
            "score": rounded(result.confidence[i]),
            **{name: text(int(i)) for name, text in inputs.items()},
        }
        for i in order
    ]


def input_formatters(examples: "Dataset", task: Task) -> InputFormatters:
    """Return for each input column a function from a row number to its text or thumbnail."""

    def formatter(name: str, input_kind: str) -> Callable[[int], str]:
        if input_kind == "image":
            return lambda i: thumbnail(examples[i][name])
        if input_kind == "texts":
            return lambda i: " ".join(examples[i][name])
        return lambda i: examples[i][name]

    return {name: formatter(name, input_kind) for name, input_kind in task.params.inputs.items()}


def thumbnail(data: bytes) -> str:
    """Return a small PNG of an image as a data URL."""
    image = open_image(data)
    image.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    png = io.BytesIO()
    image.save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
