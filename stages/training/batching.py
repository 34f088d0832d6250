"""Row lengths → length-bucketed batches whose order depends on (seed, epoch) alone.

A global batch holds `batch_size` rows whatever the number of processes and accumulation steps: it
is cut into `world_size x accumulation` pieces of equal size, the last one filled with rows that
carry no label (FACTS 41), so every row is trained on exactly once per epoch.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from stages.tasks.base import IGNORED, Batch, Collator

FILLER = -1  # index of a row that is in no loss


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
            row["is_filler"] = index == FILLER
        return rows


def collate(collator: Collator, rows: Sequence[dict[str, Any]]) -> Batch:
    """Return the rows' batch, in which filler rows carry no label."""
    batch = collator(rows)
    labels = batch["labels"]
    nothing = IGNORED if np.issubdtype(labels.dtype, np.integer) else np.nan
    labels[[row["is_filler"] for row in rows]] = nothing
    return batch


class BucketSampler:
    """Yield this process's pieces of every global batch, in training order.

    Rows are shuffled, sorted by length within windows of `window` batches, cut into batches, and
    the batches shuffled. `window=0` leaves the shuffled order alone.
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
    ):
        self.lengths, self.batch_size, self.window, self.seed = lengths, batch_size, window, seed
        self.accumulation, self.rank, self.world_size = accumulation, rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size) * self.accumulation

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.global_batches(self.epoch):
            pieces = self.world_size * self.accumulation
            size = -(-len(batch) // pieces)
            filled = np.full(size * pieces, FILLER)
            filled[: len(batch)] = batch
            for piece in filled.reshape(self.accumulation, self.world_size, size)[:, self.rank]:
                yield piece.tolist()

    def global_batches(self, epoch: int) -> list[np.ndarray]:
        """Return an epoch's batches of row indices, in order."""
        random = np.random.default_rng([self.seed, epoch])
        rows = random.permutation(len(self.lengths))
        if self.window:
            span = self.window * self.batch_size
            windows = [rows[start : start + span] for start in range(0, len(rows), span)]
            rows = np.concatenate([w[np.argsort(-self.lengths[w], kind="stable")] for w in windows])
        batches = [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
        if self.window:
            random.shuffle(batches)  # type: ignore[arg-type]
        return batches

    def padding_share(self, width_of: Any) -> float:
        """Return the share of the first epoch's tokens that is padding.

        Args:
            width_of: function from the longest length of a batch to its padded width.
        """
        padded = sum(len(b) * width_of(int(self.lengths[b].max())) for b in self.global_batches(0))
        return 1 - float(self.lengths.sum()) / padded
