"""A file of unlabelled rows, a trained model and its data → the rows to label next."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from temper.core import arrow
from temper.core.errors import InputError
from temper.data_loop import near_duplicates, selection, source_rows, vectors
from temper.ingest.columns import ColumnBatch
from temper.params.schema import Params
from temper.params.task import TaskParams
from temper.prediction.predictor import Predictor
from temper.tasks.base import images

ADDED = ("prediction", "margin", "why")  # columns of the output


@dataclass(frozen=True)
class Chosen:
    """Rows of the pool with what the model says of each, the least sure first."""

    rows: list[int]
    predictions: list[str]
    margins: list[float]
    why: list[str]
    num_known: int  # rows of the pool that the data have
    num_repeated: int
    num_new: int


def choose(parameters: Params, predictor: Predictor, examples: ColumnBatch, count: int) -> Chosen:
    """Choose rows of a pool.

    Args:
        examples: the task's inputs, converted.

    Raises:
        InputError: data/raw or data/base is missing, or the data have every row of the pool.
    """
    task = parameters.task
    keys = contents(task, examples)
    rows, num_known, num_repeated = selection.new_rows(keys, known_contents(task))
    if not rows:
        raise InputError(f"--pool: the data have all of its {len(keys):,} rows; nothing is left")
    fresh = {name: [values[i] for i in rows] for name, values in examples.items()}
    columns = predictor.predict(fresh)
    names = predictor.task.label_names
    probabilities = np.array([columns[f"score_{name}"] for name in names]).T
    has_several = task.target_type == "classes"
    sureness = selection.margins(probabilities, has_several=has_several)
    nearest = selection.candidates(sureness, count)
    near = {name: [values[i] for i in nearest] for name, values in fresh.items()}
    (matrix,), _ = vectors.of_splits(parameters, [near])
    picked = nearest[selection.choose(matrix, sureness[nearest], count, parameters.data.split.seed)]
    return Chosen(
        rows=[rows[i] for i in picked],
        predictions=[columns["prediction"][i] for i in picked],
        margins=[round(float(sureness[i]), 6) for i in picked],
        why=[reason(probabilities[i], names, has_several=has_several) for i in picked],
        num_known=num_known,
        num_repeated=num_repeated,
        num_new=len(rows),
    )


def reason(probabilities: np.ndarray, names: Sequence[str], *, has_several: bool) -> str:
    """Say what the model cannot decide in a row."""
    if has_several:
        label = int(abs(2 * probabilities - 1).argmin())
        return f"{names[label]} {probabilities[label]:.2f}"
    first, second = np.argsort(-probabilities, kind="stable")[:2]
    return f"{names[first]} {probabilities[first]:.2f}, {names[second]} {probabilities[second]:.2f}"


def contents(task: TaskParams, examples: Mapping[str, Sequence[Any]]) -> list[Any]:
    """Return what rows are told apart by: their words, or an image's pixels."""
    if "image" in task.inputs.values():
        (column,) = examples.values()
        return [image_content(data) for data in column]
    texts = zip(*task.read_texts(examples).values(), strict=True)
    return [tuple(map(near_duplicates.normalized, row)) for row in texts]


def image_content(data: bytes) -> Any:
    """Return an image's size and the digest of its pixels: as many as the data have are kept."""
    image = images.open_image(data)
    return image.size, hashlib.sha256(image.tobytes()).digest()


def known_contents(task: TaskParams) -> set[Any]:
    """Return the contents of all rows of data/raw.

    Raises:
        InputError: it is not there.
    """
    known: set[Any] = set()
    for split in source_rows.read_raw().splits.values():
        for batch in arrow.column_batches(split.select_columns(list(task.inputs))):
            known.update(contents(task, batch))
    return known


def check_columns(names: Iterable[str]) -> None:
    """Refuse a pool with a column that is added.

    Raises:
        InputError: names it.
    """
    for name in names:
        if name in ADDED:
            raise InputError(f"--pool: temper next would overwrite the column {name!r}; rename it")
