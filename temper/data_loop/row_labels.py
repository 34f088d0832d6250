"""The splits → the labels of their rows, as ids and in the spelling of the files."""

from typing import Any

import numpy as np

from temper.core.errors import InputError
from temper.data_loop import source_rows
from temper.data_loop.confidence import LabelIds
from temper.data_loop.labels import Spelling, written
from temper.data_loop.near_duplicates import Pairs
from temper.data_loop.source_rows import Rows
from temper.params.classification import ImageClassification, SequenceClassification
from temper.params.schema import Params
from temper.params.task import TokenClassification

DOUBTS, NEXT = "temper doubts", "temper next"  # commands


def check_task(parameters: Params, command: str) -> None:
    """Refuse a task whose rows have no labels that could be wrong one by one.

    Raises:
        InputError: names the task.
    """
    task = parameters.task
    if isinstance(task, SequenceClassification) and task.label_probabilities is not None:
        raise InputError(
            f"task.label_probabilities: {command} is for labels, one or several a row; name their "
            "column in task.label"
        )
    has_tags = isinstance(task, TokenClassification) and command != NEXT
    is_labelled = isinstance(task, SequenceClassification | ImageClassification)
    if not (is_labelled or has_tags) or task.target_type == "number":
        kind = getattr(task, "problem_type", None)
        tags = ", or tags (token_classification)" if command != NEXT else ""
        raise InputError(
            f"task.name: {task.name}{f' ({kind})' if kind else ''}: {command} is for labels of "
            "whole rows: sequence_classification with one or several labels, image_classification"
            + tags
        )


class Labels:
    """The label ids of all rows, train's first, then the other splits'."""

    def __init__(self, parameters: Params, rows: Rows):
        self.parameters, self.rows, self.splits = parameters, rows, in_order(rows)
        found = written(parameters) if parameters.data.source == "files" else {}
        names = source_rows.label_names(parameters, rows)
        self.spelling = Spelling(parameters.task, names, found)
        self.num_labels = len(names)
        self.ids: list[list[int]] = []
        self.starts: list[int] = []
        name, self.kind = parameters.task.target or ("", "")
        for split in self.splits:
            self.starts.append(len(self.ids))
            for value in rows.splits[split][name][:]:
                ids = value if isinstance(value, list) else [value]
                self.ids.append([] if value in (None, -1) else ids)

    def of_train(self) -> LabelIds:
        """Return the labels of train's rows as `confidence` takes them."""
        ids = self.ids[: self.starts[1]] if len(self.starts) > 1 else self.ids
        if self.kind == "tags":
            return ids
        if self.kind == "class":
            return np.array(ids, dtype=int).reshape(-1)
        several = np.zeros((len(ids), self.num_labels), dtype=bool)
        for row, found in zip(several, ids, strict=True):
            row[found] = True
        return several

    def words(self, row: int) -> list[str]:
        """Return the words of a row of train with tags."""
        (name,) = self.parameters.task.inputs
        train: Any = self.rows.splits["train"]
        return train[row][name]

    def locate(self, row: int) -> tuple[str, int]:
        """Return the split of a row and its number there."""
        at = max(i for i, start in enumerate(self.starts) if start <= row)
        return self.splits[at], row - self.starts[at]

    def conflict(self, row: int, pairs: Pairs) -> tuple[float, int] | None:
        """Return the likest row with other labels, and its similarity; None: there is none.

        Tags are those of other words unless the rows are equal.
        """
        for value, other in pairs.of_row(row):
            are_of_same = self.kind != "tags" or (
                value == 1 and len(self.ids[other]) == len(self.ids[row])
            )
            if are_of_same and self.ids[other] not in ([], self.ids[row]):
                return value, other
        return None


def in_order(rows: Rows) -> list[str]:
    """Return the names of the splits, train first."""
    return ["train", *(str(name) for name in rows.splits if name != "train")]
