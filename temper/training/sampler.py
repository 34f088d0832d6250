"""Row lengths → length-bucketed batches whose order depends on (seed, epoch) alone.

A global batch holds `batch_size` rows, or rows of about `batch_size` tokens together, whatever the
number of processes and accumulation steps: it is cut into `world_size x accumulation_steps`
micro-batches of equal size. The last one is filled up with padding rows that carry no label, so
every row is trained on exactly once per epoch.
"""

import math
from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np

PADDING_ROW = -1  # index of a row that does not count in the loss
MAX_PADDING = 0.03  # share of the tokens that an absent `train.bucket_window` allows
MIN_WINDOW = 8  # that it chooses, if any


class BucketSampler:
    """Yield this process's micro-batches of every global batch, in training order.

    Rows are shuffled, sorted by length within windows of `window` batches, cut into batches, and
    the batches shuffled. `window=0` leaves the shuffled order alone.

    Args:
        batch_size: rows of a global batch, or with `in_tokens` tokens, about.
        in_tokens: give all batches of an epoch about the same number of tokens.
        accumulation_steps: micro-batches of one process per global batch.
        window: batches sorted together; None: see `_choose_window`.
        static_shapes: fill up the last batch too, so that all micro-batches have the same size.
        resampling: `over` repeats rows of rarer labels until all labels are as frequent as the most
            frequent one, `under` drops rows of the more frequent labels, others in every epoch.
        labels: a label id per row, for `resampling`.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        *,
        batch_size: int,
        accumulation_steps: int,
        window: int | None,
        seed: int,
        rank: int,
        world_size: int,
        in_tokens: bool = False,
        static_shapes: bool = False,
        resampling: str | None = None,
        labels: np.ndarray | None = None,
    ):
        self.lengths, self.batch_size, self.in_tokens = lengths, batch_size, in_tokens
        self.accumulation_steps, self.rank, self.world_size = accumulation_steps, rank, world_size
        self.static_shapes, self.resampling, self.labels = static_shapes, resampling, labels
        self.seed, self.epoch = seed, 0
        self.window = self._choose_window() if window is None else window

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_batches * self.accumulation_steps

    @cached_property
    def num_batches(self) -> int:
        """Global batches per epoch, the same in every epoch."""
        if not self.in_tokens:
            return -(-self.num_rows // self.batch_size)
        num_tokens = self.num_rows * int(self.lengths.sum()) / len(self.lengths)
        return min(math.ceil(num_tokens / self.batch_size), self.num_rows)

    @cached_property
    def num_rows(self) -> int:
        """Rows per epoch, repeated ones counted."""
        if self.resampling is None:
            return len(self.lengths)
        counts = np.unique(np.asarray(self.labels), return_counts=True)[1]
        return len(counts) * int(counts.max() if self.resampling == "over" else counts.min())

    def __iter__(self) -> Iterator[list[int]]:
        micro_batches = self.world_size * self.accumulation_steps
        for batch in self.global_batches(self.epoch):
            size = -(-(self.batch_size if self.static_shapes else len(batch)) // micro_batches)
            padded = np.full(size * micro_batches, PADDING_ROW)
            padded[: len(batch)] = batch
            by_rank = padded.reshape(self.accumulation_steps, self.world_size, size)
            for micro_batch in by_rank[:, self.rank]:
                yield micro_batch.tolist()

    def global_batches(self, epoch: int) -> list[np.ndarray]:
        """Return an epoch's batches of row indices, in order."""
        return self._batches([self.seed, epoch], self.window)

    def _batches(self, seed: list[int], window: int) -> list[np.ndarray]:
        random = np.random.default_rng(seed)
        rows = random.permutation(self._resampled_rows(random))
        if window:
            rows = self._sort_within_windows(rows, window)
        batches = self._equal_tokens(rows) if self.in_tokens else pieces(rows, self.batch_size)
        if window:
            random.shuffle(batches)
        return batches

    def _sort_within_windows(self, rows: np.ndarray, window: int) -> np.ndarray:
        rows_per_batch = self.num_rows / self.num_batches if self.in_tokens else self.batch_size
        windows = pieces(rows, math.ceil(window * rows_per_batch))
        windows = [w[np.argsort(-self.lengths[w], kind="stable")] for w in windows]
        if self.in_tokens:  # a batch may reach over the end of a window: lengths agree there
            windows = [w[::-1] if i % 2 else w for i, w in enumerate(windows)]
        return np.concatenate(windows)

    def _equal_tokens(self, rows: np.ndarray) -> list[np.ndarray]:
        """Cut rows into `num_batches` batches of about equal tokens, none of them empty."""
        ends, numbers = np.cumsum(self.lengths[rows]), np.arange(1, self.num_batches)
        borders = np.searchsorted(ends, numbers * ends[-1] / self.num_batches, side="right")
        # rows before each border beyond the one that every batch gets
        spare = np.maximum.accumulate(borders - numbers).clip(0, len(rows) - self.num_batches)
        return np.split(rows, spare + numbers)

    def _choose_window(self) -> int:
        """Return the smallest window with a share of padding of at most `MAX_PADDING`.

        0 if that is enough; otherwise `MIN_WINDOW`, doubled until it is or the whole epoch is
        sorted. It depends on the lengths alone, not on the seed, nor on the device and the multiple
        that they are padded to.
        """
        window = 0
        while not self.static_shapes and window < self.num_batches:
            if self._padding_share(self._batches([0, 0], window), int) <= MAX_PADDING:
                break
            window = max(MIN_WINDOW, 2 * window)
        return window

    def longest_micro_batch(self) -> list[int]:
        """Return the longest rows, as many as a micro-batch of them has."""
        size = -(-self.batch_size // (self.world_size * self.accumulation_steps))
        if self.in_tokens:
            size = -(-size // int(self.lengths.max()))
        longest = np.argsort(-self.lengths, kind="stable")[:size].tolist()
        return longest + [PADDING_ROW] * (size - len(longest))

    def _resampled_rows(self, random: np.random.Generator) -> int | np.ndarray:
        """Return the rows of an epoch in any order; a number n stands for the rows 0 to n-1."""
        if self.resampling is None:
            return len(self.lengths)
        labels = np.asarray(self.labels)
        groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        size = self.num_rows // len(groups)  # of each group once resampled
        repeated = [np.tile(group, size // len(group)) for group in groups]
        drawn = [random.choice(g, size % len(g), replace=False) for g in groups]
        return np.concatenate([*repeated, *drawn])

    def padding_share(self, padded_length: Callable[[int], int]) -> float:
        """Return the share of the first epoch's tokens that is padding.

        Args:
            padded_length: maps the longest row of a batch to the padded length of the batch.
        """
        return self._padding_share(self.global_batches(0), padded_length)

    def _padding_share(
        self, batches: list[np.ndarray], padded_length: Callable[[int], int]
    ) -> float:
        padded = sum(len(b) * padded_length(int(self.lengths[b].max())) for b in batches)
        return 1 - float(sum(self.lengths[b].sum() for b in batches)) / padded


def pieces(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut rows into pieces of `size`; the last one may be smaller."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]
