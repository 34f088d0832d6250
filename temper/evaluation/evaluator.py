"""The interface of what scores a task's splits, and what its implementations share."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from temper.evaluation.tables import Table
from temper.prediction.predictor import Predictor

if TYPE_CHECKING:
    from datasets import Dataset


class Scored(Protocol):
    """What an evaluator keeps of a split: enough for scores, intervals and tables."""

    @property
    def has_references(self) -> bool: ...


Result = TypeVar("Result", bound=Scored)


class Evaluator(Protocol[Result]):
    """Scores the splits of one task by one model."""

    predictor: Predictor
    raw: Mapping[str, "Dataset"]  # the splits' examples
    seed: int
    headline: tuple[str, ...]  # metrics that carry intervals, the main one first

    def prepare(self, target: Path) -> None:
        """Set what scoring needs from validation, and write it down in `target`."""
        ...

    def score(self, split: str, target: Path, rows: np.ndarray | None = None) -> Result:
        """Predict a split, or some rows of it, and write the predictions to `target`."""
        ...

    def scores(self, result: Result) -> dict[str, float]:
        """Return every metric, custom ones too."""
        ...

    def intervals(self, result: Result) -> dict[str, float]:
        """Return `<metric>_low` and `<metric>_high` of the headline metrics."""
        ...

    def baselines(self, results: Mapping[str, Result]) -> dict[str, dict[str, dict[str, float]]]:
        """Return scores by baseline and split, for the splits in `results`."""
        ...

    def make_tables(self, split: str, result: Result) -> dict[str, Table]:
        """Return the tables of the report, by file name without `.csv`."""
        ...


def select_examples(features: "Dataset", rows: np.ndarray) -> Any:
    """Return the features of some examples, in order.

    Args:
        features: a tokenized split.
        rows: numbers of the examples, sorted; they are counted from 0 in the result.
    """
    if "example_id" not in features.features:
        return features.select(rows)
    ids = np.asarray(features["example_id"][:])
    selected = features.select(np.flatnonzero(np.isin(ids, rows)))
    renumbered = np.searchsorted(rows, np.asarray(selected["example_id"][:]))
    without_ids: Any = selected.remove_columns("example_id")
    return without_ids.add_column("example_id", renumbered.tolist())
