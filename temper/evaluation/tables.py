"""Scored rows → CSV tables for people, DVC plots and the report."""

import base64
import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from temper.evaluation.bootstrap import intervals
from temper.evaluation.split_result import LabelSpec, SplitResult, dense, label_text, scores
from temper.metrics import aggregates, classification, load, multi_label

MOST_LABELS = 30  # in the confusion matrix; the most frequent ones
MOST_PAIRS = 30
MOST_POINTS = 200  # of a curve
MOST_VALUES = 30  # of a slice column; the most frequent ones
BINS = 10  # of the calibration curve
THUMBNAIL = 96  # longest side of a listed image, px

Table = list[dict[str, Any]]


def write_csv(path: Path, rows: Table) -> None:
    """Write rows with their keys as header; no file for no rows."""
    if rows:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def rounded(value: Any) -> float:
    return round(float(value), 6)


def per_class(scored: SplitResult, spec: LabelSpec) -> Table:
    """Return precision, recall, F1 and support of each label, by support."""
    assert scored.references is not None
    width = len(spec.names)
    if spec.metrics == "multi_label":
        parts = (scored.predictions.multiply(scored.references), scored.predictions)
        hit, predicted = (part.sum(0) for part in parts)
        actual = scored.references.sum(0)
    else:
        actual = np.bincount(scored.references, minlength=width)
        predicted = np.bincount(scored.predictions, minlength=width)
        right = scored.predictions == scored.references
        hit = np.bincount(scored.references[right], minlength=width)
    divide = aggregates.safe_divide
    columns = {
        "precision": divide(hit.astype(float), predicted),
        "recall": divide(hit.astype(float), actual),
        "f1": divide(2.0 * hit, actual + predicted),
    }
    order = np.argsort(-actual, kind="stable")
    return [
        {"label": spec.names[i], "support": int(actual[i]), "predicted": int(predicted[i])}
        | {name: rounded(values[i]) for name, values in columns.items()}
        for i in order
    ]


def confusion(scored: SplitResult, spec: LabelSpec) -> tuple[Table, Table]:
    """Return (actual, predicted) per row for the most frequent labels, and the worst pairs."""
    assert scored.references is not None
    cells = Counter(zip(scored.references.tolist(), scored.predictions.tolist(), strict=True))
    support = Counter(scored.references.tolist())
    shown = {label for label, _ in support.most_common(MOST_LABELS)}
    rows = [
        {"actual": spec.names[a], "predicted": spec.names[p]}
        for (a, p), count in sorted(cells.items())
        if a in shown and p in shown
        for _ in range(count)
    ]
    wrong = sorted(((n, a, p) for (a, p), n in cells.items() if a != p), key=lambda c: (-c[0], c))
    pairs = [
        {
            "actual": spec.names[a],
            "predicted": spec.names[p],
            "count": n,
            "share_of_actual": rounded(n / support[a]),
        }
        for n, a, p in wrong[:MOST_PAIRS]
    ]
    return rows, pairs


def curves(scored: SplitResult, spec: LabelSpec) -> dict[str, Table]:
    """Return ROC, precision-recall and calibration points; the first two for one score per row.

    Binary: of the positive class. Multi-label: of all labels together. More classes: none.
    """
    from sklearn.metrics import precision_recall_curve, roc_curve

    assert scored.references is not None
    sampled, found = dense(scored.references[scored.sample]), {}
    if spec.metrics == "multi_label":
        truth, score = sampled.ravel(), scored.probabilities.ravel()
        confidence, right = score, truth
    else:
        chosen = 1 if spec.positive is None else spec.positive
        truth, score = sampled == chosen, scored.probabilities[:, chosen]
        confidence, right = scored.confidence, scored.predictions == scored.references
    if (len(spec.names) == 2 or truth.ndim > 1 or spec.metrics == "multi_label") and (
        truth.any() and not truth.all()
    ):
        false, true, _ = roc_curve(truth, score)
        found["roc"] = points(false_positive_rate=false, true_positive_rate=true)
        precision, recall, _ = precision_recall_curve(truth, score)
        found["pr"] = points(recall=recall[::-1], precision=precision[::-1])
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    found["calibration"] = [
        {
            "confidence": rounded(confidence[bins == b].mean()),
            "share_right": rounded(right[bins == b].mean()),
            "rows": int((bins == b).sum()),
        }
        for b in np.unique(bins)
    ]
    return found


def points(**columns: np.ndarray) -> Table:
    """Return the columns as rows, thinned to `MOST_POINTS`."""
    size = len(next(iter(columns.values())))
    chosen = np.unique(np.linspace(0, size - 1, min(size, MOST_POINTS)).round().astype(int))
    return [{name: rounded(values[i]) for name, values in columns.items()} for i in chosen]


def subset(scored: SplitResult, rows: np.ndarray) -> SplitResult:
    """Return some rows of a split."""
    assert scored.references is not None
    assert scored.loss is not None
    inside = np.isin(scored.sample, rows)
    return SplitResult(
        predictions=scored.predictions[rows],
        references=scored.references[rows],
        confidence=scored.confidence[rows],
        loss=scored.loss[rows],
        sample=np.searchsorted(rows, scored.sample[inside]),
        probabilities=scored.probabilities[inside],
    )


def slices(
    scored: SplitResult, columns: dict[str, Sequence], spec: LabelSpec, samples: int, seed: int
) -> Table:
    """Return count, scores and intervals for each of the most frequent values of each column."""
    table = []
    for column, values in columns.items():
        texts = np.array(["" if value is None else str(value) for value in values])
        for value, count in sorted(Counter(texts.tolist()).most_common(MOST_VALUES)):
            part = subset(scored, np.flatnonzero(texts == value))
            found = scores(part, spec) | intervals(part, spec, samples, seed)
            row: dict[str, Any] = {"column": column, "value": value, "rows": count}
            for name in load(spec.metrics).HEADLINE[:2]:
                for key in (name, f"{name}_low", f"{name}_high"):
                    row[key] = rounded(found[key]) if key in found else ""
            table.append(row)
    return table


def worst(
    scored: SplitResult, texts: dict[str, Callable[[int], str]], spec: LabelSpec, count: int
) -> Table:
    """Return the rows with the highest loss, worst first, with their texts."""
    assert scored.references is not None
    assert scored.loss is not None
    order = np.argsort(-scored.loss, kind="stable")[:count]
    return [
        {
            "row": int(i),
            "loss": rounded(scored.loss[i]),
            "reference": label_text(scored.references[i], spec),
            "prediction": label_text(scored.predictions[i], spec),
            "score": rounded(scored.confidence[i]),
            **{name: column(int(i)) for name, column in texts.items()},
        }
        for i in order
    ]


def texts(examples: Any, task: Any) -> dict[str, Callable[[int], str]]:
    """Return for each input column a function from a row to what people see of it."""

    def shown(name: str, kind: str) -> Callable[[int], str]:
        if kind == "image":
            return lambda i: thumbnail(examples[i][name])
        if kind == "texts":
            return lambda i: " ".join(examples[i][name])
        return lambda i: examples[i][name]

    return {name: shown(name, kind) for name, kind in task.params.inputs.items()}


def thumbnail(data: bytes) -> str:
    """Return a small PNG of an image as a data URL."""
    from PIL import Image

    image = Image.open(io.BytesIO(data)).convert("RGB")
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    target = io.BytesIO()
    image.save(target, "PNG")
    return "data:image/png;base64," + base64.b64encode(target.getvalue()).decode()


def baseline_scores(predictions: Any, references: Any, spec: LabelSpec) -> dict:
    """Return the metrics that need predictions only."""
    from temper.metrics import regression

    if spec.metrics == "regression":
        return regression.scores(predictions, references)
    if spec.metrics == "multi_label":
        return multi_label.label_scores(predictions, references)
    return classification.label_scores(predictions, references, len(spec.names), spec.positive)
