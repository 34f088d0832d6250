"""Row lengths → length-bucketed batches whose order depends on (seed, epoch) alone.

A global batch holds `batch_size` rows whatever the number of processes and accumulation steps: it
is cut into `world_size x accumulation` pieces of equal size, the last one filled with rows that
carry no label (FACTS 41), so every row is trained on exactly once per epoch.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from temper.core.errors import InputError
from temper.tasks.base.arrays import IGNORE_INDEX, Batch, Collator

PADDING_ROW = -1  # index of a row that is in no loss


class Rows:
    """A `Dataset` whose row `FILLER` is its first row, marked; rows say what seeds their draws."""

    def __init__(self, dataset: Any, sampler: "BucketSampler"):
        self.dataset, self.sampler = dataset, sampler

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        columns = self.dataset[[max(index, 0) for index in indices]]
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        for index, row in zip(indices, rows, strict=True):
            row["draw"] = (self.sampler.seed, 1 + self.sampler.epoch, max(index, 0))
            row["is_filler"] = index == PADDING_ROW
        return rows


def collate(collator: Collator, rows: Sequence[dict[str, Any]]) -> Batch:
    """Return the rows' batch, in which filler rows carry no label."""
    batch = collator(rows)
    labels = batch["labels"]
    nothing = IGNORE_INDEX if np.issubdtype(labels.dtype, np.integer) else np.nan
    labels[[row["is_filler"] for row in rows]] = nothing
    return batch


def tensors(collator: Collator, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows' batch as torch tensors on the CPU."""
    import torch

    return {name: torch.from_numpy(values) for name, values in collate(collator, rows).items()}


class BucketSampler:
    """Yield this process's pieces of every global batch, in training order.

    Rows are shuffled, sorted by length within windows of `window` batches, cut into batches, and
    the batches shuffled. `window=0` leaves the shuffled order alone.

    Args:
        lengths: of the rows.
        batch_size: rows of a global batch.
        accumulation: pieces a process cuts its share into.
        window: batches sorted together.
        seed: of the order.
        rank: of this process.
        world_size: processes.
        one_shape: fill the last batch up as well, so that every piece has the same rows.
        resampling: `over` repeats rows of rarer labels until all are as many as the commonest's,
            `under` leaves rows of commoner labels out, others in every epoch.
        labels: a label id per row, for `resampling`.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        *,
        batch_size: int,
        accumulation: int,
        window: int,
        seed: int,
        rank: int,
        world_size: int,
        static_shapes: bool = False,
        resampling: str | None = None,
        labels: np.ndarray | None = None,
    ):
        self.lengths, self.batch_size, self.window, self.seed = lengths, batch_size, window, seed
        self.accumulation, self.rank, self.world_size = accumulation, rank, world_size
        self.static_shapes, self.resampling, self.labels = static_shapes, resampling, labels
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_batches * self.accumulation

    @property
    def num_batches(self) -> int:
        """Return the global batches of an epoch."""
        return -(-self.num_rows // self.batch_size)

    @cached_property
    def num_rows(self) -> int:
        """Return the rows of an epoch, repeated ones counted."""
        if self.resampling is None:
            return len(self.lengths)
        counts = np.unique(np.asarray(self.labels), return_counts=True)[1]
        return len(counts) * int(counts.max() if self.resampling == "over" else counts.min())

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.global_batches(self.epoch):
            micro_batches = self.world_size * self.accumulation
            size = -(-(self.batch_size if self.static_shapes else len(batch)) // micro_batches)
            filled = np.full(size * micro_batches, PADDING_ROW)
            filled[: len(batch)] = batch
            for micro_batch in filled.reshape(self.accumulation, self.world_size, size)[
                :, self.rank
            ]:
                yield micro_batch.tolist()

    def global_batches(self, epoch: int) -> list[np.ndarray]:
        """Return an epoch's batches of row indices, in order."""
        random = np.random.default_rng([self.seed, epoch])
        rows = random.permutation(self._drawn(random))
        if self.window:
            span = self.window * self.batch_size
            windows = [rows[start : start + span] for start in range(0, len(rows), span)]
            rows = np.concatenate([w[np.argsort(-self.lengths[w], kind="stable")] for w in windows])
        batches = [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
        if self.window:
            random.shuffle(batches)  # type: ignore[arg-type]
        return batches

    def _drawn(self, random: np.random.Generator) -> int | np.ndarray:
        """Return the rows of an epoch, in no order; a number stands for all of them."""
        if self.resampling is None:
            return len(self.lengths)
        labels = np.asarray(self.labels)
        groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        wanted = self.num_rows // len(groups)
        whole = [np.tile(group, wanted // len(group)) for group in groups]
        rest = [random.choice(g, wanted % len(g), replace=False) for g in groups]
        return np.concatenate([*whole, *rest])

    def padding_share(self, width_of: Any) -> float:
        """Return the share of the first epoch's tokens that is padding.

        Args:
            width_of: function from the longest length of a batch to its padded width.
        """
        batches = self.global_batches(0)
        padded = sum(len(b) * width_of(int(self.lengths[b].max())) for b in batches)
        return 1 - float(sum(self.lengths[b].sum() for b in batches)) / padded


def label_ids(dataset: Any, resampling: str | None) -> np.ndarray | None:
    """Return a label id per row where `resampling` asks for it.

    Raises:
        InputError: rows have no label, or several.
    """
    if resampling is None:
        return None
    labels = dataset["labels"]
    if any(not isinstance(label, int) or label < 0 for label in labels):
        raise InputError("train.resampling needs exactly one label per training row")
    return np.asarray(labels)
