"""Logits of a split, window by window → what the tables need, without holding rows x classes.

The predictions of every row go to a CSV file as they come. In memory stay a few numbers per row;
probabilities of all classes are kept for a seeded sample of rows only, for the area under the ROC
curve of more than two classes. The labels of multi-label rows are sparse.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse, vstack

from temper.metrics import classification, multi_label

SAMPLED_CELLS = 2_000_000  # rows x classes whose probabilities are kept


@dataclass(frozen=True, kw_only=True)
class LabelSpec:
    """The parts of a task that scoring needs."""

    metrics: str  # classification, multi_label or regression
    names: list[str]  # labels in the order of ids; empty for regression
    positive: int | None
    threshold: float | np.ndarray


@dataclass(frozen=True, kw_only=True)
class SplitResult:
    """A split's rows: (rows,) arrays; multi-label ones are sparse booleans, (rows, labels)."""

    predictions: Any
    references: Any | None
    confidence: np.ndarray
    loss: np.ndarray | None
    sample: np.ndarray  # row numbers whose probabilities are kept
    probabilities: np.ndarray  # (sampled rows, labels); empty for regression


def score_split(
    windows: Iterator[tuple[int, np.ndarray]],
    references: Any | None,
    num_rows: int,
    spec: LabelSpec,
    target: Path,
    seed: int,
) -> SplitResult:
    """Write the predictions of a split to `target` and return what the tables need."""
    sample = sampled_rows(num_rows, max(len(spec.names), 1), seed)
    found: dict[str, list[Any]] = {k: [] for k in ("p", "confidence", "loss", "chances")}
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        scores = [f"score_{name}" for name in spec.names]
        writer.writerow(["row", "reference", "prediction", "score", *scores])
        for start, logits in windows:
            stop = start + len(logits)
            wanted = None if references is None else dense(references[start:stop])
            probabilities, predictions, confidence, loss = score_window(logits, wanted, spec)
            inside = sample[(sample >= start) & (sample < stop)] - start
            found["p"].append(csr_array(predictions) if predictions.ndim > 1 else predictions)
            found["confidence"].append(confidence)
            found["loss"].append(loss)
            found["chances"].append(probabilities[inside])
            writer.writerows(csv_rows(start, wanted, predictions, confidence, probabilities, spec))
    sparse = issparse(found["p"][0])
    predictions = vstack(found.pop("p"), "csr") if sparse else np.concatenate(found.pop("p"))
    joined = {name: np.concatenate(parts) for name, parts in found.items()}
    return SplitResult(
        predictions=predictions,
        references=references,
        confidence=joined["confidence"],
        loss=None if references is None else joined["loss"],
        sample=sample,
        probabilities=joined["chances"],
    )


def dense(values: Any) -> np.ndarray:
    """Return an array of what may be sparse."""
    return values.toarray() if issparse(values) else values


def score_window(
    logits: np.ndarray, references: np.ndarray | None, spec: LabelSpec
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return probabilities (rows, labels), predictions, confidence and loss of each row."""
    wide = logits.astype(np.float64)
    rows = np.arange(len(wide))
    if spec.metrics == "regression":
        predictions = wide[:, 0]
        loss = np.zeros(len(wide)) if references is None else (predictions - references) ** 2
        return np.empty((len(wide), 0)), predictions, predictions, loss
    if spec.metrics == "multi_label":
        probabilities = multi_label.sigmoid(wide)
        hot = np.zeros_like(probabilities) if references is None else references
        clipped = np.clip(probabilities, 1e-15, 1 - 1e-15)
        loss = -np.where(hot > 0, np.log(clipped), np.log(1 - clipped)).mean(-1)
        return probabilities, probabilities >= spec.threshold, probabilities.max(-1), loss
    probabilities = classification.softmax(wide)
    predictions = probabilities.argmax(-1)
    wanted = predictions if references is None else references
    loss = -np.log(np.clip(probabilities[rows, wanted], 1e-15, 1))
    return probabilities, predictions, probabilities.max(-1), loss


def csv_rows(
    start: int,
    references: np.ndarray | None,
    predictions: np.ndarray,
    confidence: np.ndarray,
    probabilities: np.ndarray,
    spec: LabelSpec,
) -> Iterator[list[Any]]:
    for i in range(len(predictions)):
        wanted = "" if references is None else label_text(references[i], spec)
        shown = [f"{value:.6f}" for value in probabilities[i]]
        yield [start + i, wanted, label_text(predictions[i], spec), f"{confidence[i]:.6f}", *shown]


def label_text(value: Any, spec: LabelSpec) -> str:
    """Return a label, labels joined by "|", or a number, as people write them."""
    if spec.metrics == "regression":
        return f"{float(value):.6g}"
    if spec.metrics == "multi_label":
        return "|".join(spec.names[i] for i in np.flatnonzero(dense(value)))
    return spec.names[int(value)]


def sampled_rows(num_rows: int, num_labels: int, seed: int) -> np.ndarray:
    """Return all row numbers, or a seeded sample of as many as may be kept, in order."""
    kept = max(SAMPLED_CELLS // num_labels, 1)
    if num_rows <= kept:
        return np.arange(num_rows)
    return np.sort(np.random.default_rng(seed).choice(num_rows, kept, replace=False))


def scores(scored: SplitResult, spec: LabelSpec) -> dict[str, float]:
    """Return the metrics of `temper.metrics` from the kept numbers.

    Raises:
        AssertionError: the split has no references.
    """
    from temper.metrics import regression

    assert scored.references is not None
    assert scored.loss is not None
    references, sampled = scored.references, dense(scored.references[scored.sample])
    if spec.metrics == "regression":
        return regression.scores(scored.predictions, references)
    if spec.metrics == "multi_label":
        found = multi_label.label_scores(scored.predictions, references)
        area = multi_label.roc_auc(scored.probabilities, sampled)
    else:
        found = classification.label_scores(
            scored.predictions, references, len(spec.names), spec.positive
        )
        right = scored.predictions == references
        found["calibration_error"] = classification.calibration_error(scored.confidence, right)
        area = classification.roc_auc(scored.probabilities, sampled, spec.positive)
    found["log_loss"] = float(scored.loss.mean())
    return found if area is None else found | {"roc_auc": area}
