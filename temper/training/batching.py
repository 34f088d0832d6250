"""Rows of the training split → tensors of a micro-batch, and how many labels a batch has."""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate.utils import reduce
from torch.utils.data import DataLoader, Dataset

from temper.core import arrow
from temper.core.errors import InputError
from temper.tasks.base.arrays import IGNORE_INDEX, Collator, as_rows
from temper.training import losses
from temper.training.sampler import PADDING_ROW, BucketSampler

if TYPE_CHECKING:
    import datasets

Tensors = dict[str, torch.Tensor]
MAX_ROWS_IN_MESSAGE = 64
NUM_COUNTED_ROWS = 4096  # whose labels are counted before training


class TrainingRows(Dataset):
    """The training split with a row `PADDING_ROW`, a copy of row 0 without labels.

    Args:
        sampler: their order; its seed and epoch are the seed of what a row's collator draws.
    """

    def __init__(self, dataset: "datasets.Dataset", sampler: BucketSampler, collator: Collator):
        self.dataset, self.sampler, self.collator = dataset, sampler, collator

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        columns = self.dataset[[max(index, 0) for index in indices]]
        rows = as_rows(columns)
        for index, row in zip(indices, rows, strict=True):
            row["draw"] = (self.sampler.seed, 1 + self.sampler.epoch, max(index, 0))
            row["is_padding"] = index == PADDING_ROW
        return rows

    def batch(self, indices: Sequence[int]) -> Tensors:
        """Collate rows by their numbers."""
        return collate_tensors(self.collator, self.__getitems__(indices))

    def dataloader(self) -> DataLoader:
        """Return this process's micro-batches of the epoch that the sampler is set to."""
        return DataLoader(
            self,
            batch_sampler=self.sampler,
            collate_fn=partial(collate_tensors, self.collator),
            generator=torch.Generator(),  # the default one, which dropout uses, stays untouched
        )

    def num_labels(self, micro_batches: Sequence[Tensors], device: torch.device) -> torch.Tensor:
        """Count the labels of a global batch on all processes, ().

        With `train.batch_tokens` it is their mean over the batches: a row then weighs the same in
        a batch of many rows as in one of few.
        """
        if self.sampler.in_tokens:
            return torch.full((), self.mean_num_labels, device=device)  # can be recorded
        counts = [losses.label_mask(batch["labels"]).sum() for batch in micro_batches]
        count: Any = reduce(torch.stack(counts).sum().to(device), "sum")
        return count.clamp(min=1)

    @cached_property
    def mean_num_labels(self) -> float:
        """The labels of a global batch on average, estimated from rows all over the split.

        They are collated as in epoch 0, so that a resumed training counts the same.
        """
        rows = np.unique(np.linspace(0, len(self) - 1, NUM_COUNTED_ROWS).astype(int))
        epoch = self.sampler.epoch
        self.sampler.set_epoch(0)
        num_labels = int(losses.label_mask(self.batch(rows.tolist())["labels"]).sum())
        self.sampler.set_epoch(epoch)
        return num_labels / len(rows) * self.sampler.num_rows / self.sampler.num_batches

    def describe(self, rows: np.ndarray) -> str:
        """Return rows as text, also by their number in data/raw where it is another."""
        numbers = sorted(map(int, rows))
        num_more, numbers = len(numbers) - MAX_ROWS_IN_MESSAGE, numbers[:MAX_ROWS_IN_MESSAGE]
        more = f" and {num_more} more" if num_more > 0 else ""
        text = f"{', '.join(map(str, numbers))}{more} of data/tokenized's train split"
        columns = self.dataset.column_names
        if "example_id" not in columns or arrow.AUGMENTED in columns:  # those are not in data/raw
            return text
        raw_rows = sorted(set(self.dataset[numbers]["example_id"]))
        return f"{text}, made from rows {', '.join(map(str, raw_rows))} of data/raw's"


def collate_tensors(collator: Collator, rows: Sequence[Mapping[str, Any]]) -> Tensors:
    """Collate rows of `TrainingRows` into torch tensors on the CPU; padding rows lose labels."""
    batch = collator(rows)
    labels = batch["labels"]
    ignored = IGNORE_INDEX if np.issubdtype(labels.dtype, np.integer) else np.nan
    labels[[row["is_padding"] for row in rows]] = ignored
    return {name: torch.from_numpy(values) for name, values in batch.items()}


def resampling_labels(dataset: "datasets.Dataset", resampling: str | None) -> np.ndarray | None:
    """Return a label id per row if `resampling` is on.

    Raises:
        InputError: a row has no label, or several.
    """
    if resampling is None:
        return None
    labels = dataset["labels"]
    if any(not isinstance(label, int) or label < 0 for label in labels):
        raise InputError("train.resampling needs exactly one label per training row")
    return np.asarray(labels)
