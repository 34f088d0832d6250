"""All training rows on the device, collated once; a batch is a few of its rows, cut to a length."""

import numpy as np
import torch

from temper.training.batching import Tensors
from temper.training.sampler import PADDING_ROW
from temper.training.session import TrainingSession

CHUNK = 1024  # rows collated together
CHECKED_BATCHES = 4
MAX_MEMORY_SHARE = 0.25  # of what is free on the device


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
