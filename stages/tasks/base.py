"""What every task provides. A task is a small object with no I/O.

`example` = raw row, `feature` = encoded row, `batch` = collated arrays,
`prediction`/`reference` = decoded, one per raw example.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Batch = dict[str, np.ndarray]
Collator = Callable[[Sequence[Mapping[str, Any]]], Batch]

IGNORED = -100  # a class id with this value is in no loss and no metric; floats use NaN


class Task(ABC):
    """One kind of problem: how rows become tensors and outputs become answers."""

    auto_model: str  # name of the AutoModelFor… class
    pipeline_tag: str  # the Hub's name for the task

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Raw input columns, the label column not among them."""

    @abstractmethod
    def label_names(self, features: Mapping[str, Any]) -> list[str] | None:
        """Return label names in the order of their ids, or None where ids have no names."""

    @abstractmethod
    def num_outputs(self, features: Mapping[str, Any]) -> int:
        """Return the width of the model's logits."""

    @abstractmethod
    def encode(
        self, examples: Mapping[str, list], processor: Any, max_length: int
    ) -> dict[str, list]:
        """Turn raw columns into model columns.

        Returns:
            `input_ids` (list per row), `token_type_ids` where the model has them, `length` and
            `full_length` (tokens after and before truncation), and `labels` where there are any.
        """

    @abstractmethod
    def features(self, raw: Mapping[str, Any], has_token_types: bool) -> Any:
        """Return the `datasets.Features` of what `encode` gives, without `full_length`."""

    @abstractmethod
    def collator(
        self, processor: Any, *, num_outputs: int, max_length: int | None, multiple_of: int
    ) -> Collator:
        """Return a function from features to a batch of numpy arrays.

        Args:
            processor: gives the pad id and side.
            num_outputs: width of a multi-hot label row.
            max_length: pad every row to this; None pads to the longest row.
            multiple_of: padded lengths are multiples of this.
        """
