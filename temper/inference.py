"""Encoded rows → the outputs of a model, in row order, a window of rows at a time.

Shared by evaluate, by export's parity check and by `temper predict`.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.tasks.base import Task
from temper.tasks.base.arrays import Batch, Collator, Rows

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Forward = Callable[[Batch], np.ndarray]
BATCHES_PER_WINDOW = 64


class Features(list):
    """Rows that also answer by column, as a `Dataset` does."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return [row[key] for row in self]
        return super().__getitem__(key)


def predict(
    forward: Forward,
    features: Rows,
    collate: Collator,
    batch_size: int,
    task: Task,
    first: int | None = 0,
    *,
    static_shapes: bool = False,
) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Yield `(first row, outputs)` for windows of rows, in row order.

    Within a window rows are batched by length, so that little is padded.

    Args:
        forward: from `torch_forward` or `onnx_forward`.
        features: the encoded rows, with `length`.
        collate: the task's collator.
        batch_size: rows per forward pass.
        task: removes the padding of an output.
        first: number of the first row, which a collator's random draws depend on; None: no draws.
        static_shapes: pad the last batch, so that every batch has the same number of rows.
    """
    size = batch_size * BATCHES_PER_WINDOW
    for start in range(0, len(features), size):
        rows = [features[i] for i in range(start, min(start + size, len(features)))]
        if first is not None:
            rows = [row | {"draw": (0, first + start + i)} for i, row in enumerate(rows)]
        order = np.argsort([-row["length"] for row in rows], kind="stable")
        outputs: list[Any] = [None] * len(rows)
        for at in range(0, len(rows), batch_size):
            indices = order[at : at + batch_size]
            batch = [rows[i] for i in indices]
            batch += batch[:1] * (batch_size - len(batch)) * static_shapes
            unpadded = task.unpad(forward(collate(batch)), batch)
            for i, output in zip(indices, unpadded, strict=False):  # without the padding rows
                outputs[i] = output
        yield start, outputs


def torch_forward(
    model: Any,
    task: Task,
    precision: Callable[[], AbstractContextManager] = nullcontext,
    *,
    reduce: bool = True,
) -> Forward:
    """Return a function from a batch to its logits, reduced to what evaluation stores.

    Args:
        model: put into evaluation mode; runs on its device.
        task: makes logits of the model's outputs.
        precision: the autocast context to run in; without one, the weights' own precision.
        reduce: apply `Task.reduce_logits`; otherwise return all logits.
    """
    import torch

    model.eval()
    device = next(model.parameters()).device
    without_gradients = torch.no_grad if device.type == "xla" else torch.inference_mode

    def forward(batch: Batch) -> np.ndarray:
        inputs = {k: torch.from_numpy(v).to(device) for k, v in batch.items() if k != "labels"}
        with without_gradients(), precision():
            logits = task.logits(model(**inputs), inputs).float()
            return (task.reduce_logits(logits, batch) if reduce else logits).cpu().numpy()

    return forward


def onnx_session(path: str, num_threads: int) -> "InferenceSession":
    """Open an ONNX model on the CPU with a fixed number of threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = num_threads, 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def onnx_forward(session: "InferenceSession", task: Task, *, reduce: bool = True) -> Forward:
    """Return a function like `torch_forward`'s that runs an ONNX session."""
    names = {tensor.name for tensor in session.get_inputs()}

    def forward(batch: Batch) -> np.ndarray:
        inputs = {name: values for name, values in batch.items() if name in names}
        logits = np.asarray(session.run(["logits"], inputs)[0])
        return np.asarray(task.reduce_logits(logits, batch)) if reduce else logits

    return forward
