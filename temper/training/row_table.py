"""All training rows on the device, collated once, and the order they are trained in.

A batch is a few of the rows, cut to a length.
"""

import numpy as np
import torch

from temper.training.batching import Tensors
from temper.training.sampler import PADDING_ROW
from temper.training.session import TrainingSession

CHUNK = 1024  # rows collated together
CHECKED_BATCHES = 4
MAX_MEMORY_SHARE = 0.25  # of what is free on the device
MAX_LENGTHS = 16  # that batches are padded to

Shape = tuple[int, int]  # of a batch: rows, tokens that each is padded to (0: rows are not text)


class NotRecordable(Exception):
    """Steps cannot be recorded; the message says why."""


class RowTable:
    """Batches of a session's training split, gathered on the device.

    Attributes:
        width: tokens per row; 0: rows are not text.
        padding_row: number of the row that carries no label.

    Raises:
        NotRecordable: the rows are too large for the device, or a batch that is collated by itself
            differs from the same rows of the table, because of random changes or another layout.
    """

    def __init__(self, session: TrainingSession, device: torch.device):
        self.session, self.device = session, device
        self.padding_row = len(session.sampler.lengths)
        integers = {"dtype": torch.int64, "device": device}
        self.order = torch.zeros(session.sampler.num_rows, **integers)  # of the epoch
        self.borders = torch.zeros(session.sampler.num_batches + 1, **integers)  # of its batches
        longest = int(np.argmax(session.sampler.lengths))
        self.width = self.padded_length(np.array([longest]))
        self.tensors, self.pads_left = self._collate_all(longest), False
        if self._differs_from_batches():
            self.pads_left = True
            if self._differs_from_batches():
                raise NotRecordable("batches change from epoch to epoch, or have two lengths")

    def _collate_all(self, longest: int) -> Tensors:
        """Collate each row at the length of the longest, and a last row that carries no label."""
        indices = [*range(len(self.session.sampler.lengths)), PADDING_ROW]
        chunks: list[Tensors] = []
        for start in range(0, len(indices), CHUNK):
            batch = self.session.rows.batch([longest, *indices[start : start + CHUNK]])
            chunks.append({name: values[1:] for name, values in batch.items()})
            if start == 0 and self.device.type == "cuda":
                row_bytes = sum(v[0].numel() * v.element_size() for v in batch.values())
                free, _ = torch.cuda.mem_get_info(self.device)
                if row_bytes * len(indices) > MAX_MEMORY_SHARE * free:
                    raise NotRecordable("the rows take a quarter of the device's memory or more")
        return {name: torch.cat([c[name] for c in chunks]).to(self.device) for name in chunks[0]}

    def _differs_from_batches(self) -> bool:
        """Check the shortest batches of two epochs, which are cut most, against the collator."""
        sampler = self.session.sampler
        for epoch in (0, 1):
            sampler.set_epoch(epoch)
            batches = sorted(sampler.global_batches(epoch), key=self.padded_length)
            for rows in batches[:CHECKED_BATCHES]:
                expected = self.session.rows.batch(rows.tolist())
                index = torch.from_numpy(rows).to(self.device)
                for name, values in self.batch(index, self.padded_length(rows)).items():
                    if values.shape != expected[name].shape:
                        return True
                    if not torch.equal(values.cpu().nan_to_num(-1), expected[name].nan_to_num(-1)):
                        return True
        return False

    def padded_length(self, rows: np.ndarray) -> int:
        """Return the tokens per row of a batch of these rows; 0: rows are not text."""
        padded_length = self.session.padded_length
        return padded_length(int(self.session.sampler.lengths[rows].max())) if padded_length else 0

    def batch(self, rows: torch.Tensor, length: int) -> Tensors:
        """Gather rows (batch,), and cut them to `length` where they have an axis of tokens."""
        batch: Tensors = {}
        for name, values in self.tensors.items():
            if length and values.ndim > 1 and values.shape[-1] == self.width:
                values = values[..., -length:] if self.pads_left else values[..., :length]
            batch[name] = values.index_select(0, rows)
        return batch

    def load_epoch(self) -> list[np.ndarray]:
        """Put the order of the sampler's epoch on the device; return its batches of row numbers."""
        sampler = self.session.sampler
        batches = sampler.global_batches(sampler.epoch)
        self.order.copy_(torch.from_numpy(np.concatenate(batches)))
        self.borders.copy_(torch.tensor([0, *np.cumsum([len(batch) for batch in batches])]))
        return batches

    def shape(self, rows: np.ndarray) -> Shape:
        """Return the shape that a batch is filled up to, so that there are few different ones.

        At most `MAX_LENGTHS` lengths; with `train.batch_tokens` the number of rows has three
        significant bits, otherwise it is that of a full batch.
        """
        length = self.padded_length(rows)
        multiple = -(-self.width // (MAX_LENGTHS * 8)) * 8 or 1
        length = min(self.width, -(-length // multiple) * multiple)
        if not self.session.sampler.in_tokens:
            return self.session.params.global_batch, length
        multiple = 1 << max(len(rows).bit_length() - 3, 0)
        return -(-len(rows) // multiple) * multiple, length

    def batch_of_step(self, step_number: torch.Tensor, shape: Shape) -> Tensors:
        """Gather a step's batch, filled up with rows that carry no label.

        Args:
            step_number: on the device, counted from 0, ().
            shape: of the batch, see `shape`.
        """
        num_rows, length = shape
        batch = step_number[None] % (len(self.borders) - 1)
        begin, end = (self.borders.index_select(0, batch + i) for i in (0, 1))
        numbers = begin + torch.arange(num_rows, device=self.device)
        rows = self.order.index_select(0, numbers.clamp(max=len(self.order) - 1))
        return self.batch(torch.where(numbers < end, rows, self.padding_row), length)
