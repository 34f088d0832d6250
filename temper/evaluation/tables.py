"""Scored rows → the CSV tables behind DVC's plots and the report."""

import base64
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from temper.core import csv_file
from temper.metrics.aggregates import precision_recall_f1
from temper.metrics.label_stats import LabelOutputs, dense
from temper.params.task_schema import TaskSchema
from temper.tasks.base import audio
from temper.tasks.base.images import open_image

MOST_LABELS = 30  # in the confusion matrix; those of most rows
MOST_PAIRS = 30
MOST_POINTS = 200  # of a curve
MOST_VALUES = 30  # of a slice column; the most frequent ones
BINS = 10  # of the calibration curve
WORST = ("row", "loss", "reference", "prediction", "score", "rank", "neighbours")
THUMBNAIL_SIZE = 96  # longest side of a listed image, px
THUMBNAIL_RATE, THUMBNAIL_SECONDS = 8000, 3  # of a listed clip, which so has up to 48 kB

Table = list[dict[str, Any]]


def write_csv(path: Path, rows: Table) -> None:
    """Write rows with their keys as header; no file for no rows."""
    if rows:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv_file.writer(file)
            writer.writerow(rows[0])
            writer.writerows(row.values() for row in rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, none where it does not exist."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv_file.dict_reader(file))


def rounded(value: Any) -> float:
    return round(float(value), 6)


def per_class(
    names: Sequence[str], hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray
) -> Table:
    """Return precision, recall, F1 and support of each label, by support; counts are (labels,)."""
    scores = precision_recall_f1(hits.astype(float), predicted, actual)
    return [
        {"label": names[i], "support": int(actual[i]), "predicted": int(predicted[i])}
        | {name: rounded(values[i]) for name, values in scores.items()}
        for i in np.argsort(-actual, kind="stable")
    ]


def per_type(counts: Counter[tuple[str, str]]) -> Table:
    """Return the `per_class` of entities, from `entities.counts_by_type`."""
    names = sorted({name for name, _ in counts})
    columns = ("hits", "predicted", "actual")
    return per_class(names, *(np.array([counts[n, c] for n in names], float) for c in columns))


def confusion(
    predictions: np.ndarray, references: np.ndarray, names: Sequence[str]
) -> tuple[Table, Table]:
    """Return (actual, predicted) per row for the most frequent labels, and the worst pairs.

    A label that no row has may be predicted: it is among them, after those that rows have.
    """
    cells = Counter(zip(references.tolist(), predictions.tolist(), strict=True))
    support, predicted_as = Counter(references.tolist()), Counter(predictions.tolist())
    labels = sorted(support | predicted_as, key=lambda i: (-support[i], -predicted_as[i], i))
    frequent = set(labels[:MOST_LABELS])
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


def curves(outputs: LabelOutputs, references: Any, positive: int | None) -> dict[str, Table]:
    """Return the points of the ROC, precision-recall and calibration curves.

    The first two are the positive class's, or those of all labels together (multi-label); with
    more than two classes, or rows of one class alone, there are none.
    """
    from sklearn.metrics import precision_recall_curve, roc_curve

    sampled, probabilities = dense(references[outputs.sampled_rows]), outputs.probabilities
    is_multi_label = sampled.ndim == 2
    if is_multi_label:
        truth, score = sampled.ravel(), probabilities.ravel()
        confidence, is_right = score, truth
    else:
        positive = 1 if positive is None else positive
        truth, score = sampled == positive, probabilities[:, positive]
        confidence, is_right = outputs.confidence, outputs.predictions == references
    points: dict[str, Table] = {}
    if (is_multi_label or probabilities.shape[1] == 2) and truth.any() and not truth.all():
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


def slice_table(
    columns: Mapping[str, Sequence],
    scores_of: Callable[[np.ndarray], dict[str, float]],
    headline: Sequence[str],
) -> Table:
    """Return count, scores and intervals for each of the most frequent values of each column.

    `scores_of` scores some rows; of the headline metrics the first two are listed.
    """
    table = []
    keys = [key for name in headline[:2] for key in (name, f"{name}_low", f"{name}_high")]
    for column, values in columns.items():
        texts = np.array(["" if value is None else str(value) for value in values])
        for value, count in sorted(Counter(texts.tolist()).most_common(MOST_VALUES)):
            scores = scores_of(np.flatnonzero(texts == value))
            numbers = {key: "" if np.isnan(scores[key]) else rounded(scores[key]) for key in keys}
            table.append({"column": column, "value": value, "rows": count, **numbers})
    return table


def kept_columns(extra: Sequence[str], task: TaskSchema) -> list[str]:
    """Return the extra columns, such as ids, whose names the table of worst rows has free."""
    return [name for name in extra if name not in {*WORST, *task.texts}]


def worst_rows(
    predictions: Path,
    loss: np.ndarray,
    examples: Any,
    task: TaskSchema,
    count: int,
    extra: Sequence[str] = (),
) -> Table:
    """Return the rows of a predictions file with the highest loss, worst first, with their inputs.

    Args:
        task: says which inputs they have.
        extra: columns that tell whose rows they are; a split may be cut at random.
    """
    order = np.argsort(-loss, kind="stable")[:count].tolist()
    with predictions.open(newline="", encoding="utf-8") as file:
        reader, listed = csv_file.reader(file), set(order)
        header = next(reader)
        rows = {i: row for i, row in enumerate(reader) if i in listed}
    written = {i: dict(zip(header, row, strict=True)) for i, row in rows.items()}
    return [
        {
            "row": i,
            "loss": rounded(loss[i]),
            "reference": written[i]["reference"],
            "prediction": written[i]["prediction"],
            **({"score": rounded(written[i]["score"])} if "score" in header else {}),
            **input_texts(examples[i], task),
            **{name: examples[i][name] for name in kept_columns(extra, task)},
        }
        for i in order
    ]


def input_texts(example: Mapping[str, Any], task: TaskSchema) -> dict[str, str]:
    """Return what the model reads of a raw row, by name."""
    read = task.read_texts({name: [example[name]] for name in task.inputs})
    return {name: input_text(read[name][0], kind) for name, kind in task.texts.items()}


def input_text(value: Any, input_kind: str) -> str:
    """Return an input of a task as text, an image or a clip as a data URL."""
    if input_kind == "image":
        return thumbnail(value)
    if input_kind == "audio":
        return beginning(value)
    if input_kind == "messages":
        return "\n".join(f"{message['role']}: {message['content']}" for message in value)
    return " ".join(value) if input_kind == "texts" else value


def thumbnail(data: bytes) -> str:
    """Return a small PNG of an image as a data URL."""
    image = open_image(data)
    image.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    png = io.BytesIO()
    image.save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


def beginning(data: bytes) -> str:
    """Return the first seconds of a clip, at a low rate, as a data URL."""
    samples, rate = audio.read(data)
    first = audio.resampled(samples[: THUMBNAIL_SECONDS * rate], rate, THUMBNAIL_RATE)
    wav = audio.encode(first, THUMBNAIL_RATE)
    return "data:audio/wav;base64," + base64.b64encode(wav).decode()
