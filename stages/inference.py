"""A dataset → logits, in row order, a window of rows in memory at a time.

Shared by evaluate, by export's parity check and by `temper predict`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from stages.tasks.base import Batch, Collator

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Forward = Callable[[Batch], np.ndarray]
BATCHES_PER_WINDOW = 64


def predict(
    forward: Forward, features: Any, collate: Collator, batch_size: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield `(first row, logits)` for windows of rows, in row order.

    Within a window rows are batched by length, so that little is padded.

    Args:
        forward: from `torch_forward` or `onnx_forward`.
        features: a `Dataset` or a list of rows with `length`.
        collate: the task's collator.
        batch_size: rows per forward pass.

    Yields:
        The window's first row and its logits, float32 (rows, outputs).
    """
    size = batch_size * BATCHES_PER_WINDOW
    for start in range(0, len(features), size):
        rows = [features[i] for i in range(start, min(start + size, len(features)))]
        order = np.argsort([-row["length"] for row in rows], kind="stable")
        logits: np.ndarray | None = None
        for first in range(0, len(rows), batch_size):
            chosen = order[first : first + batch_size]
            found = forward(collate([rows[i] for i in chosen]))
            if logits is None:
                logits = np.empty((len(rows), *found.shape[1:]), dtype=np.float32)
            logits[chosen] = found
        if logits is not None:
            yield start, logits


def torch_forward(
    model: Any, precision: Callable[[], AbstractContextManager] = nullcontext
) -> Forward:
    """Return a function from a batch to the logits of a torch model, on the model's device.

    Args:
        model: put into evaluation mode.
        precision: the autocast context to run in; without one, the weights' own precision.
    """
    import torch

    model.eval()
    device = next(model.parameters()).device

    def forward(batch: Batch) -> np.ndarray:
        inputs = {k: torch.from_numpy(v).to(device) for k, v in batch.items() if k != "labels"}
        with torch.inference_mode(), precision():
            return model(**inputs).logits.float().cpu().numpy()

    return forward


def onnx_session(path: str, num_threads: int) -> "InferenceSession":
    """Open an ONNX model on the CPU with a fixed number of threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = num_threads, 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def onnx_forward(session: "InferenceSession") -> Forward:
    """Return a function from a batch to the logits of an ONNX session."""
    names = {tensor.name for tensor in session.get_inputs()}

    def forward(batch: Batch) -> np.ndarray:
        wanted = {name: values for name, values in batch.items() if name in names}
        return np.asarray(session.run(["logits"], wanted)[0])

    return forward
