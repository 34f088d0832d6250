"""Exported graphs against the trained model, over a whole split: they agree or the stage fails."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from temper import metrics
from temper.core.errors import InputError
from temper.export import decided_scores
from temper.inference import Forward, in_row_order, row_outputs
from temper.prediction import generation
from temper.tasks.base import Task
from temper.tasks.base.arrays import IGNORE_INDEX, Batch, Collator, Logits

if TYPE_CHECKING:
    from datasets import Dataset

TOLERANCE = 1e-3  # of an ONNX logit
ROUNDING = 1e-9  # of a difference of two scores
BATCH_SIZE = 32
SINGLES = 64  # rows also run alone, the shortest and the longest among them
GENERATED_ROWS = 32  # rows whose greedy tokens are compared


class DisagreementError(InputError):
    """An exported graph that differs from the trained model.

    Attributes:
        summary: how, without numbers that depend on the CPU.
    """

    def __init__(self, message: str, summary: str):
        super().__init__(message)
        self.summary = summary


def check_onnx(
    trained: Forward, exported: Forward, features: "Dataset", collate: Collator, task: Task
) -> tuple[float, list[np.ndarray]]:
    """Return the largest difference of two models' logits, and the trained one's output per row.

    Both return logits that are not reduced, and see every row.

    Raises:
        DisagreementError: the difference is above `TOLERANCE`; says by how much and in which row.
    """
    differences = np.zeros(len(features))

    def run(indices: Any) -> Logits:
        numbered = zip(indices, features.__getitems__(indices), strict=True)
        batch = collate([row | {"draw": (0, i)} for i, row in numbered])
        logits = trained(batch)
        by_row = row_differences(logits, exported(batch), batch, len(indices))
        differences[indices] = np.maximum(differences[indices], by_row)
        return task.unpad(np.asarray(task.reduce_logits(logits, batch)), batch)

    batches = compared_batches(np.asarray(features["length"][:]))
    outputs = in_row_order(batches, run, len(features))
    row = int(differences.argmax())  # NaN counts as the largest
    if not differences[row] <= TOLERANCE:
        summary = "the ONNX model does not agree with the trained one: logits differ by "
        raise DisagreementError(
            f"{summary}{differences[row]:.4g} in row {row}, allowed are {TOLERANCE:g}",
            f"{summary}more than {TOLERANCE:g}",
        )
    return float(differences[row]), outputs


def compared_batches(lengths: np.ndarray) -> Iterator[list[int]]:
    """Yield the rows that are compared together: some alone, then all by length."""
    order = np.argsort(lengths, kind="stable")
    singles = order[np.unique(np.linspace(0, len(order) - 1, SINGLES).astype(int))]
    for size, rows in ((1, singles), (BATCH_SIZE, order)):
        for start in range(0, len(rows), size):
            yield rows[start : start + size].tolist()


def row_differences(
    first: np.ndarray, second: np.ndarray, batch: Batch, num_rows: int
) -> np.ndarray:
    """Return each row's largest difference of logits, those of padding left out, (rows,)."""
    differences = np.abs(first - second)
    if differences.ndim == 3 and "decoder_input_ids" in batch:
        differences = differences * (batch["labels"] != IGNORE_INDEX)[:, :, None]
    elif differences.ndim == 3:
        mask = batch["attention_mask"]
        tokens_last = differences.shape[2] == mask.shape[1] != differences.shape[1]
        differences = differences * (mask[:, None, :] if tokens_last else mask[:, :, None])
    return differences.reshape(num_rows, -1).max(-1)


def check_generation(
    trained: generation.Generate,
    exported: generation.Generate,
    features: "Dataset",
    task: Task,
    tokenizer: Any,
) -> int:
    """Return the number of rows for which both generate the same tokens, greedily.

    Raises:
        DisagreementError: a row differs.
    """
    prompts = features.select(range(min(GENERATED_ROWS, len(features))))
    expected, actual = (
        row_outputs(lambda rows, run=run: run(task.prompts(rows, tokenizer)), prompts, 8)
        for run in (trained, exported)
    )
    for row, (a, b) in enumerate(zip(expected, actual, strict=True)):
        if not np.array_equal(a, b):
            summary = "the ONNX model generates other tokens than the trained one"
            raise DisagreementError(
                f"{summary} in row {row}: {b.tolist()[:20]} instead of {a.tolist()[:20]}", summary
            )
    return len(prompts)


def compare_int8(
    task: Task,
    trained_outputs: list[np.ndarray],
    outputs: list[np.ndarray],
    features: "Dataset",
    max_drop: float,
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the limit and the scores it holds for, and how often int8 agrees and what it loses.

    Raises:
        InputError: it loses more than `max_drop`.
    """
    alike = agreement(task, outputs, trained_outputs, features)
    if not task.is_labelled(features):
        if not 1 - alike <= max_drop:  # NaN is refused
            raise InputError(
                f"the int8 model agrees in {alike:.4f} of the rows; "
                f"export.max_score_drop allows {max_drop:g} to differ"
            )
        return {"int8_min_agreement": round(1 - max_drop, 6)}, {"int8_agreement": alike}
    trained, quantized = (scores(task, rows, features) for rows in (trained_outputs, outputs))
    drops = check_int8(trained, quantized, max_drop)
    main, *decided = drops
    limits: dict[str, Any] = {"int8_max_score_drop": max_drop}
    if decided:
        limits["int8_scores"] = [main, *decided]
    measured = {f"int8_{name}_drop": drops[name] for name in decided}
    return limits, {"int8_agreement": alike, "int8_score_drop": drops[main]} | measured


def check_int8(
    scores: dict[str, float], int8_scores: dict[str, float], max_drop: float
) -> dict[str, float]:
    """Return how much int8 loses of each score, the main one first; of one it lacks, all.

    Raises:
        InputError: more than `max_drop`.
    """
    drops = {name: value - int8_scores.get(name, 0.0) for name, value in scores.items()}
    for name, drop in drops.items():
        if not drop <= max_drop + ROUNDING:  # NaN is refused
            raise InputError(
                f"{name} of the int8 model is {int8_scores.get(name, 0.0):.4f}, of the trained one "
                f"{scores[name]:.4f}: it loses {drop:.4f}, export.max_score_drop allows "
                f"{max_drop:g}; raise it or set export.int8: false"
            )
    return drops


def agreement(
    task: Task, outputs: list[np.ndarray], trained_outputs: list[np.ndarray], features: Any
) -> float:
    """Return the mean of `Task.agreement` over the features; for numbers, the R² of the two."""
    if task.params.metrics == "regression":
        return r_squared(outputs, np.stack(trained_outputs)[:, 0])
    rows = zip(outputs, trained_outputs, features, strict=True)
    return float(np.mean([task.agreement(a, b, row) for a, b, row in rows]))


def scores(task: Task, outputs: list[np.ndarray], features: Any) -> dict[str, float]:
    """Return the main score, and of labels those of the decisions that `evaluate` asks for.

    For numbers it is R², for which a drop means as much as for accuracy.
    """
    name = task.params.metrics
    if name == "regression":
        return {"R²": r_squared(outputs, np.asarray(features["labels"]))}
    known = metrics.training_metrics(name)  # the headline may have others
    main = next((m for m in metrics.load(name).HEADLINE if m in known), next(iter(known)))
    if metrics.scores_logits(name):
        return decided_scores.compute(task, outputs, features, main)
    compute = partial(metrics.compute_from_predictions, name)
    return {main: task.score(outputs, features, compute)[main]}


def r_squared(outputs: list[np.ndarray], references: np.ndarray) -> float:
    """Return R², a finite number also where the references are constant."""
    errors = np.stack(outputs)[:, 0] - references
    return float(1 - np.mean(errors**2) / max(np.var(references), 1e-12))
