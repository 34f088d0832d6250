"""Tokenized rows and the predictions of validation → profile.json of an export.

Nothing runs the model: evaluate has written what it predicts.
"""

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.core import artifacts, csv_file
from temper.inference import RowList
from temper.params import Params
from temper.prediction import profile
from temper.prediction.profile import Known
from temper.tasks.base import Task, registry, windows

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

MAX_ROWS = 5_000  # of validation
MAX_TRAIN_ROWS = 20_000
CENTER_DIGITS = 4


def write(
    target: Path, data: "DatasetDict", split: str, evaluation: Path, parameters: Params
) -> None:
    """Write the facts that `temper predict` compares rows with into an export; see `make`."""
    task = registry.load(parameters, data[split].features)
    unknown = None
    if task.auto_processor == "AutoTokenizer":
        unknown = registry.load_processor(target, task).unk_token_id
    made = make(data, split, evaluation / "predictions" / f"{split}.csv", task, unknown)
    if made is not None:
        artifacts.write_json(target / profile.FILE, made)


def make(
    data: "DatasetDict", split: str, predictions: Path, task: Task, unknown_token: int | None
) -> dict[str, Any] | None:
    """Return the facts of a split; None where rows are not encoded as they are to predict.

    Args:
        data: tokenized.
        split: the one that exports are compared on.
        predictions: what evaluate wrote of it; where there is no such file, the inputs' facts.
        task: of the model.
        unknown_token: its id, None where the tokenizer has none.
    """
    if task.is_language_model:
        return None
    features, num_rows = select(data[split])
    predicted = read_predictions(predictions, num_rows)
    common = common_tokens(data.get("train", data[split]), task)
    center = None
    if task.params.name == "embeddings" and predicted and predicted["prediction"][0][:1] == "[":
        vectors = np.array([json.loads(text) for text in predicted["prediction"]])
        predicted["prediction"] = vectors.tolist()
        center = vectors.mean(0).round(CENTER_DIGITS)
    facts = profile.of_rows(
        task, features, num_rows, predicted, Known(np.array(common), unknown_token, center)
    )
    return profile.summarize(facts) | {
        "split": split,
        "rows": num_rows,
        "common_tokens": common,
        "unknown_token": unknown_token,
        "center": None if center is None else center.tolist(),
    }


def step_of(num_rows: int, most: int) -> int:
    """Return which rows are taken: every how many."""
    return max(1, -(-num_rows // most))


def select(features: "Dataset") -> tuple[RowList, int]:
    """Return the features of up to MAX_ROWS rows, numbered from 0, and their number."""
    ids = windows.example_ids(features)
    first, last = int(ids[0]), int(ids[-1])
    step = step_of(last - first + 1, MAX_ROWS)
    taken = np.flatnonzero((ids - first) % step == 0)
    names = [n for n in ("input_ids",) if n in features.features]
    rows: Any = features.select_columns(names).select(taken) if names else [{}] * len(taken)
    numbers = ((ids[taken] - first) // step).tolist()
    numbered = zip(rows, numbers, strict=True)
    return RowList({**row, "example_id": i} for row, i in numbered), numbers[-1] + 1


def read_predictions(file: Path, num_rows: int) -> dict[str, list]:
    """Return the columns of the same rows of a predictions file; {} where there is none."""
    if not file.exists():
        return {}
    with file.open(newline="", encoding="utf-8") as opened:
        count = sum(1 for _ in csv_file.reader(opened)) - 1
        opened.seek(0)
        rows = itertools.islice(csv_file.dict_reader(opened), 0, None, step_of(count, MAX_ROWS))
        columns = profile.columns_of_table(list(rows))
    assert len(columns["prediction"]) == num_rows, "evaluate predicts every row"
    return columns


def common_tokens(features: "Dataset", task: Task) -> list[int]:
    """Return the most frequent tokens of up to MAX_TRAIN_ROWS rows, sorted; none of images."""
    if "input_ids" not in features.features:
        return []
    rows = range(0, len(features), step_of(len(features), MAX_TRAIN_ROWS))
    selected: Any = features.select_columns(["input_ids"]).select(rows)
    counts = Counter(itertools.chain.from_iterable(map(task.row_tokens, selected)))
    frequent = sorted(counts, key=lambda token: (-counts[token], token))
    return sorted(frequent[: profile.COMMON_TOKENS])
