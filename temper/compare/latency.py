"""Models in turn on the same rows, one row at a time → how long each takes on this machine."""

import math
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from temper.compare import shared_rows
from temper.compare.shared_rows import EvaluatedModel
from temper.core import determinism
from temper.core.errors import InputError
from temper.prediction.engines import GRAPHS
from temper.prediction.predictor import open_export

EXPORT = "data/export"
MAX_ROWS = 100
PASSES = 5  # over the rows, of which each row's fastest counts: others may have been interrupted
ROWS_PER_TURN = 20

Columns = dict[str, list[Any]]  # of one row
Model = tuple[str, str]  # its name and engine


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Median milliseconds of a row by model and engine, and what was not measured."""

    milliseconds: dict[str, dict[str, float]]
    how: str
    notes: list[str]


def measure(models: Sequence[EvaluatedModel], num_threads: int) -> Measured:
    """Time the exports that DVC has, in every engine that they have a file for."""
    import torch

    torch.set_num_threads(num_threads)
    # Python code of the models is not run: that of two commits would be imported under one name
    options: Any = {"num_threads": num_threads, "trust_code": False}
    count = len(models[0].rows)
    numbers = np.unique(np.linspace(0, count - 1, min(count, MAX_ROWS)).astype(int)).tolist()
    rows, predictors, notes = {}, {}, []
    with tempfile.TemporaryDirectory() as folder:
        for place, model in enumerate(models):
            export = Path(folder, str(place))
            try:
                rows[model.name] = read_rows(model, numbers)
                model.experiment.fetch(EXPORT, export)
            except InputError as error:
                reason = str(error).removeprefix(f"{model.name}: ")
                notes.append(f"{model.name}: not timed: {reason}")
                continue
            for engine in ("torch", *GRAPHS):
                if engine in GRAPHS and not (export / "onnx" / GRAPHS[engine]).exists():
                    continue
                try:
                    predictors[model.name, engine] = open_export(export, engine, **options).predict
                except InputError as error:
                    reason = str(error).removeprefix(f"--model {export}: ")
                    reason = reason.removesuffix("; read it, then add --trust-code")
                    notes.append(f"{model.name}: {engine} is not timed: {reason}")
        medians: dict[str, dict[str, float]] = defaultdict(dict)
        for (name, engine), seconds in time_in_turn(predictors, rows).items():
            medians[name][engine] = 1000 * statistics.median(seconds)
    how = (
        f"time: median of {len(numbers)} {models[0].split} rows one by one, each the fastest of "
        f"{PASSES}, from columns to "
        f"prediction, with {num_threads} thread{'s' * (num_threads > 1)} on "
        f"{determinism.environment()['cpu']}"
    )
    return Measured(milliseconds=dict(medians), how=how, notes=notes)


def read_rows(model: EvaluatedModel, numbers: Sequence[int]) -> list[Columns]:
    """Return the inputs of some rows of the comparison.

    Raises:
        InputError: DVC does not have them.
    """
    columns = shared_rows.read_raw(model)
    places = [int(model.rows[number]["row"]) for number in numbers]
    names = model.experiment.parameters.task.inputs
    return [{name: [columns[name][place].as_py()] for name in names} for place in places]


def time_in_turn(
    predictors: Mapping[Model, Callable[[Columns], Any]],
    rows: Mapping[str, Sequence[Columns]],
    clock: Callable[[], float] = time.perf_counter,
) -> dict[Model, list[float]]:
    """Return the seconds of each row, the fewest of `PASSES`, in the rows' order.

    The models take turns of `ROWS_PER_TURN` rows, so that whatever else the machine does slows all
    of them; the first row of a turn is predicted once before, untimed.
    """
    num_rows = max(map(len, rows.values()), default=0)
    seconds = {model: [math.inf] * len(rows[model[0]]) for model in predictors}
    for start in list(range(0, num_rows, ROWS_PER_TURN)) * PASSES:
        for model, predict in predictors.items():
            turn = rows[model[0]][start : start + ROWS_PER_TURN]
            predict(turn[0])
            for number, columns in enumerate(turn, start):
                started = clock()
                predict(columns)
                seconds[model][number] = min(seconds[model][number], clock() - started)
    return seconds
