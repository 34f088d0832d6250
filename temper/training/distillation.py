"""Teachers' logits, and label probabilities → a part of batches; and who taught the model.

`temper/training/distillation_loss.py` has the term of the loss.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.core import arrow, artifacts
from temper.core.errors import InputError
from temper.params.schema import Params
from temper.tasks.base import arrays
from temper.tasks.base.arrays import IGNORE_INDEX, Batch, Collator, Features

if TYPE_CHECKING:
    from datasets import DatasetDict

BATCH_KEY = "teacher_logits"  # of a collated batch; the loss takes it as an argument
PREFIX = "teacher_logits."  # of the columns of a training row, one per teacher


def with_logits(data: "DatasetDict", folder: Path, parameters: Params) -> "DatasetDict":
    """Return tokenized splits whose training rows have the logits of each teacher.

    Args:
        folder: what the teach stages wrote, a folder per teacher.

    Raises:
        InputError: a teacher scored another number of rows.
    """
    from datasets import DatasetDict, concatenate_datasets

    train, parts = data["train"], []
    is_split = "example_id" in train.features  # a row of data/raw may be several windows
    rows = np.asarray(train["example_id"][:]) if is_split else np.arange(len(train))
    for name in parameters.train.teachers:
        logits = arrow.load(folder / name)["train"].rename_column("logits", PREFIX + name)
        if len(logits) != rows.max() + 1:
            raise InputError(
                f"{folder / name} has {len(logits):,} rows, and data/tokenized has "
                f"{rows.max() + 1:,}: run dvc repro"
            )
        if is_split:  # in memory: `datasets` would write its copy into the folder, teach's output
            logits = logits.select(rows).flatten_indices(keep_in_memory=True)
        parts.append(logits)
    if not parts:
        return data
    return DatasetDict({**data, "train": concatenate_datasets([train, *parts], axis=1)})


def record(folder: Path, parameters: Params) -> dict[str, Any] | None:
    """Return who taught a model, and how; None without a teacher.

    Args:
        folder: what the teach stages wrote, a folder per teacher.
    """
    names, distillation = parameters.train.teachers, parameters.train.distillation
    if distillation is None:
        return None
    return distillation.model_dump() | {
        "teachers": {name: artifacts.read_json(folder / name / "summary.json") for name in names}
    }


def tags(taught: dict[str, Any] | None) -> dict[str, str]:
    """Return each teacher's name, commit and sha256 as a tag of the MLflow run."""
    return {
        f"teacher.{key}": " ".join(
            filter(None, [teacher["name"], teacher.get("commit"), *teacher["sha256"].values()])
        )
        for key, teacher in (taught or {"teachers": {}})["teachers"].items()
    }


def with_label_probabilities(parameters: Params, collate: Collator) -> Collator:
    """Return a collator that adds `label_probabilities` (batch, labels), if they are learned."""
    if not parameters.task.has_label_probabilities:
        return collate
    key = arrays.LABEL_PROBABILITIES
    return lambda rows: collate(rows) | {key: np.array([row[key] for row in rows], np.float32)}


def collator(parameters: Params, collate: Collator, num_outputs: int) -> Collator:
    """Return a collator that adds `teacher_logits` to the batch, if there are teachers.

    They are (batch, teachers, outputs), or (batch, teachers, outputs, tokens) where tokens have
    labels: the tokens come last, as in every array that a recorded step cuts to a length. NaN
    stands where a teacher has no token of a word. `label_probabilities` are added too.
    """
    collate = with_label_probabilities(parameters, collate)
    columns = [PREFIX + name for name in parameters.train.teachers]
    if not columns:
        return collate

    def collated(rows: Features) -> Batch:
        batch = collate(rows)
        of_rows = [
            np.array([row[c] for c in columns], np.float32).reshape(len(columns), -1, num_outputs)
            for row in rows
        ]  # (teachers, words or 1, outputs) each
        if "word_ids" not in rows[0]:
            return batch | {BATCH_KEY: np.stack(of_rows)[:, :, 0]}
        size = (len(rows), len(columns), num_outputs, batch["labels"].shape[1])
        of_tokens = np.zeros(size, np.float32)
        for target, row, values, labels in zip(
            of_tokens, rows, of_rows, batch["labels"], strict=True
        ):
            words = [word for word in row["word_ids"] if word >= 0]
            target[..., labels != IGNORE_INDEX] = values[:, words].swapaxes(1, 2)
        return batch | {BATCH_KEY: of_tokens}

    return collated
