"""Logits of a split, window by window → what the tables need, without holding rows x labels.

The predictions of every row go to a CSV file as they come. In memory stay a few numbers per row;
probabilities of all labels are kept for a seeded sample of rows only, for the area under the ROC
curve. Multi-label predictions and references are sparse.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array, issparse, vstack

from temper.core import csv_file
from temper.metrics import classification, multi_label, regression

SAMPLED_CELLS = 2_000_000  # rows x labels whose probabilities are kept


@dataclass(frozen=True, kw_only=True)
class LabelSpec:
    """What scoring needs to know of a task of labels or numbers."""

    metrics: str  # classification, multi_label or regression
    label_names: list[str]  # in the order of ids; empty for regression
    positive: int | None
    threshold: float | np.ndarray


@dataclass(frozen=True, kw_only=True)
class SplitResult:
    """A split's rows: (rows,) arrays; multi-label ones are sparse booleans, (rows, labels)."""

    predictions: Any
    references: Any | None
    confidence: np.ndarray
    loss: np.ndarray | None
    sampled_rows: np.ndarray  # numbers of the rows whose probabilities are kept
    probabilities: np.ndarray  # (sampled rows, labels); empty for regression

    @property
    def has_references(self) -> bool:
        return self.references is not None


class WindowScores(NamedTuple):
    """A window of rows, scored."""

    probabilities: np.ndarray  # (rows, labels); empty for regression
    predictions: Any  # as in `SplitResult`
    confidence: np.ndarray
    loss: np.ndarray


def score_split(
    windows: Iterable[tuple[int, np.ndarray]],
    references: Any | None,
    num_rows: int,
    spec: LabelSpec,
    target: Path,
    seed: int,
) -> SplitResult:
    """Write the predictions of a split to `target` and return what the tables need.

    Args:
        windows: (first row, logits), in row order.
        references: of all rows, shaped as in `SplitResult`.
        num_rows: of the split.
        spec: of the task.
        target: the CSV file.
        seed: picks the rows whose probabilities are kept.
    """
    sampled = sample_rows(num_rows, max(len(spec.label_names), 1), seed)
    scored: list[WindowScores] = []  # with probabilities of the sampled rows only
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv_file.Writer(file)
        columns = [f"score_{name}" for name in spec.label_names]
        writer.writerow(["row", "reference", "prediction", "score", *columns])
        for start, logits in windows:
            stop = start + len(logits)
            labels = None if references is None else dense(references[start:stop])
            window = score_window(logits, labels, spec)
            writer.writerows(csv_rows(start, labels, window, spec))
            inside = sampled[(sampled >= start) & (sampled < stop)] - start
            probabilities, predictions = window.probabilities[inside], sparse(window.predictions)
            scored.append(window._replace(probabilities=probabilities, predictions=predictions))
    return SplitResult(
        predictions=joined([window.predictions for window in scored]),
        references=references,
        confidence=joined([window.confidence for window in scored]),
        loss=None if references is None else joined([window.loss for window in scored]),
        sampled_rows=sampled,
        probabilities=joined([window.probabilities for window in scored]),
    )


def joined(parts: Sequence[Any]) -> Any:
    """Return arrays, dense or sparse, one below the other."""
    return vstack(parts, "csr") if issparse(parts[0]) else np.concatenate(parts)


def sparse(values: np.ndarray) -> Any:
    """Return a matrix as a sparse one, and an array of one axis as it is."""
    return csr_array(values) if values.ndim > 1 else values


def dense(values: Any) -> np.ndarray:
    """Return an array of what may be sparse."""
    return values.toarray() if issparse(values) else values


def score_window(
    logits: np.ndarray, references: np.ndarray | None, spec: LabelSpec
) -> WindowScores:
    """Score logits (rows, outputs); without references the loss means nothing."""
    outputs = logits.astype(np.float64)
    rows = np.arange(len(outputs))
    if spec.metrics == "regression":
        predictions = outputs[:, 0]
        loss = np.zeros(len(outputs)) if references is None else (predictions - references) ** 2
        return WindowScores(np.empty((len(outputs), 0)), predictions, predictions, loss)
    if spec.metrics == "multi_label":
        probabilities = multi_label.sigmoid(outputs)
        targets = np.zeros_like(probabilities) if references is None else references
        clipped = np.clip(probabilities, 1e-15, 1 - 1e-15)
        loss = -np.where(targets > 0, np.log(clipped), np.log(1 - clipped)).mean(-1)
        predictions = probabilities >= spec.threshold
        return WindowScores(probabilities, predictions, probabilities.max(-1), loss)
    probabilities = classification.softmax(outputs)
    predictions = probabilities.argmax(-1)
    targets = predictions if references is None else references
    loss = -np.log(np.clip(probabilities[rows, targets], 1e-15, 1))
    return WindowScores(probabilities, predictions, probabilities.max(-1), loss)


def csv_rows(
    start: int, references: np.ndarray | None, window: WindowScores, spec: LabelSpec
) -> Iterator[list[Any]]:
    for i, prediction in enumerate(window.predictions):
        reference = "" if references is None else label_text(references[i], spec)
        probabilities = [f"{value:.6f}" for value in window.probabilities[i]]
        confidence = f"{window.confidence[i]:.6f}"
        yield [start + i, reference, label_text(prediction, spec), confidence, *probabilities]


def label_text(value: Any, spec: LabelSpec) -> str:
    """Return a label, several joined by "|", or a number."""
    if spec.metrics == "regression":
        return f"{float(value):.6g}"
    if spec.metrics == "multi_label":
        return "|".join(spec.label_names[i] for i in np.flatnonzero(dense(value)))
    return spec.label_names[int(value)]


def sample_rows(num_rows: int, num_labels: int, seed: int) -> np.ndarray:
    """Return all row numbers, or a seeded sample of at most `SAMPLED_CELLS` cells, in order."""
    most = max(SAMPLED_CELLS // num_labels, 1)
    if num_rows <= most:
        return np.arange(num_rows)
    return np.sort(np.random.default_rng(seed).choice(num_rows, most, replace=False))


def scores(result: SplitResult, spec: LabelSpec) -> dict[str, float]:
    """Return the metrics of `temper.metrics`; the AUC is that of the sampled rows.

    Raises:
        AssertionError: the split has no references.
    """
    assert result.references is not None
    assert result.loss is not None
    references, sampled = result.references, dense(result.references[result.sampled_rows])
    if spec.metrics == "regression":
        return regression.scores(result.predictions, references)
    metrics = prediction_scores(result.predictions, references, spec)
    if spec.metrics == "multi_label":
        auc = multi_label.roc_auc(result.probabilities, sampled)
    else:
        metrics["calibration_error"] = classification.calibration_error(
            result.confidence, result.predictions == references
        )
        auc = classification.roc_auc(result.probabilities, sampled, spec.positive)
    metrics["log_loss"] = float(result.loss.mean())
    return metrics if auc is None else metrics | {"roc_auc": auc}


def prediction_scores(predictions: Any, references: Any, spec: LabelSpec) -> dict[str, float]:
    """Return the metrics that need predictions only, as baselines have them."""
    if spec.metrics == "regression":
        return regression.scores(predictions, references)
    if spec.metrics == "multi_label":
        return multi_label.label_scores(predictions, references)
    num_labels = len(spec.label_names)
    return classification.label_scores(predictions, references, num_labels, spec.positive)
