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

from stages.metrics import classification, multi_label

SAMPLED_CELLS = 2_000_000  # rows x classes whose probabilities are kept


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The parts of a task that scoring needs."""

    metrics: str  # classification, multi_label or regression
    names: list[str]  # labels in the order of ids; empty for regression
    positive: int | None
    threshold: float | np.ndarray


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A split's rows: (rows,) arrays; multi-label ones are sparse booleans, (rows, labels)."""

    predictions: Any
    references: Any | None
    confidence: np.ndarray
    loss: np.ndarray | None
    sample: np.ndarray  # row numbers whose probabilities are kept
    chances: np.ndarray  # (sampled rows, labels); empty for regression


def score_split(
    windows: Iterator[tuple[int, np.ndarray]],
    references: Any | None,
    num_rows: int,
    setup: Setup,
    target: Path,
    seed: int,
) -> Scored:
    """Write the predictions of a split to `target` and return what the tables need."""
    sample = sampled_rows(num_rows, max(len(setup.names), 1), seed)
    found: dict[str, list[Any]] = {k: [] for k in ("p", "confidence", "loss", "chances")}
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        scores = [f"score_{name}" for name in setup.names]
        writer.writerow(["row", "reference", "prediction", "score", *scores])
        for start, logits in windows:
            stop = start + len(logits)
            wanted = None if references is None else dense(references[start:stop])
            chances, predictions, confidence, loss = score_window(logits, wanted, setup)
            inside = sample[(sample >= start) & (sample < stop)] - start
            found["p"].append(csr_array(predictions) if predictions.ndim > 1 else predictions)
            found["confidence"].append(confidence)
            found["loss"].append(loss)
            found["chances"].append(chances[inside])
            writer.writerows(csv_rows(start, wanted, predictions, confidence, chances, setup))
    sparse = issparse(found["p"][0])
    predictions = vstack(found.pop("p"), "csr") if sparse else np.concatenate(found.pop("p"))
    joined = {name: np.concatenate(parts) for name, parts in found.items()}
    return Scored(
        predictions=predictions,
        references=references,
        confidence=joined["confidence"],
        loss=None if references is None else joined["loss"],
        sample=sample,
        chances=joined["chances"],
    )


def dense(values: Any) -> np.ndarray:
    """Return an array of what may be sparse."""
    return values.toarray() if issparse(values) else values


def score_window(
    logits: np.ndarray, references: np.ndarray | None, setup: Setup
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return probabilities (rows, labels), predictions, confidence and loss of each row."""
    wide = logits.astype(np.float64)
    rows = np.arange(len(wide))
    if setup.metrics == "regression":
        predictions = wide[:, 0]
        loss = np.zeros(len(wide)) if references is None else (predictions - references) ** 2
        return np.empty((len(wide), 0)), predictions, predictions, loss
    if setup.metrics == "multi_label":
        chances = multi_label.probabilities(wide)
        hot = np.zeros_like(chances) if references is None else references
        clipped = np.clip(chances, 1e-15, 1 - 1e-15)
        loss = -np.where(hot > 0, np.log(clipped), np.log(1 - clipped)).mean(-1)
        return chances, chances >= setup.threshold, chances.max(-1), loss
    chances = classification.probabilities(wide)
    predictions = chances.argmax(-1)
    wanted = predictions if references is None else references
    loss = -np.log(np.clip(chances[rows, wanted], 1e-15, 1))
    return chances, predictions, chances.max(-1), loss


def csv_rows(
    start: int,
    references: np.ndarray | None,
    predictions: np.ndarray,
    confidence: np.ndarray,
    chances: np.ndarray,
    setup: Setup,
) -> Iterator[list[Any]]:
    for i in range(len(predictions)):
        wanted = "" if references is None else label_text(references[i], setup)
        shown = [f"{value:.6f}" for value in chances[i]]
        yield [start + i, wanted, label_text(predictions[i], setup), f"{confidence[i]:.6f}", *shown]


def label_text(value: Any, setup: Setup) -> str:
    """Return a label, labels joined by "|", or a number, as people write them."""
    if setup.metrics == "regression":
        return f"{float(value):.6g}"
    if setup.metrics == "multi_label":
        return "|".join(setup.names[i] for i in np.flatnonzero(dense(value)))
    return setup.names[int(value)]


def sampled_rows(num_rows: int, num_labels: int, seed: int) -> np.ndarray:
    """Return all row numbers, or a seeded sample of as many as may be kept, in order."""
    kept = max(SAMPLED_CELLS // num_labels, 1)
    if num_rows <= kept:
        return np.arange(num_rows)
    return np.sort(np.random.default_rng(seed).choice(num_rows, kept, replace=False))


def scores(scored: Scored, setup: Setup) -> dict[str, float]:
    """Return the metrics of `stages.metrics` from the kept numbers.

    Raises:
        AssertionError: the split has no references.
    """
    from stages.metrics import regression

    assert scored.references is not None
    assert scored.loss is not None
    references, sampled = scored.references, dense(scored.references[scored.sample])
    if setup.metrics == "regression":
        return regression.scores(scored.predictions, references)
    if setup.metrics == "multi_label":
        found = multi_label.label_scores(scored.predictions, references)
        area = multi_label.roc_auc(scored.chances, sampled)
    else:
        found = classification.label_scores(
            scored.predictions, references, len(setup.names), setup.positive
        )
        right = scored.predictions == references
        found["calibration_error"] = classification.calibration_error(scored.confidence, right)
        area = classification.roc_auc(scored.chances, sampled, setup.positive)
    found["log_loss"] = float(scored.loss.mean())
    return found if area is None else found | {"roc_auc": area}
