"""Encoded rows → the outputs of a model, in row order, a chunk of rows at a time.

Shared by training, evaluate, export's parity check and `temper predict`.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.core.errors import InputError
from temper.tasks.base import Task
from temper.tasks.base.arrays import Batch, Collator, Columns, Logits, Rows, as_rows

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from torch import nn

Forward = Callable[[Batch], np.ndarray]
RunBatch = Callable[[list], Sequence[np.ndarray]]  # encoded rows → an output each
BATCHES_PER_CHUNK = 64
# Of a row's largest output, between it alone and beside a longer one: rounding makes 1e-6 of it.
PADDING_TOLERANCE = 1e-3
SMALL = 1e-2  # of an output: rounding is that of the larger numbers whose sum it is


class RowList(list):
    """A list of rows that also returns columns by name and rows by numbers, as a `Dataset` does."""

    @classmethod
    def of_columns(cls, columns: Columns) -> "RowList":
        return cls(as_rows(columns))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return [row[key] for row in self]
        return super().__getitem__(key)

    def __getitems__(self, indices: Sequence[int]) -> list:
        return [self[i] for i in indices]


def row_outputs(
    run_batch: RunBatch,
    features: Rows,
    batch_size: int,
    first_row: int = 0,
    *,
    static_shapes: bool = False,
) -> Iterator[np.ndarray]:
    """Yield the output of each row, in row order.

    Within a chunk rows are batched by length, which saves padding.

    Args:
        run_batch: from `logits_runner`, or a function of rows that generates tokens.
        first_row: its number in the split seeds what a collator draws.
        static_shapes: pad the last batch, so that every batch has the same number of rows.
    """
    chunk_size = batch_size * BATCHES_PER_CHUNK
    for start in range(0, len(features), chunk_size):
        stop = min(start + chunk_size, len(features))
        numbered = enumerate(features.__getitems__(range(start, stop)), first_row + start)
        rows = [row | {"draw": (0, i)} for i, row in numbered]
        yield from _chunk_outputs(run_batch, rows, batch_size, static_shapes=static_shapes)


def _chunk_outputs(
    run_batch: RunBatch, rows: list, batch_size: int, *, static_shapes: bool
) -> list[np.ndarray]:
    order = np.argsort([-row["length"] for row in rows], kind="stable")
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]

    def run(indices: np.ndarray) -> Sequence[np.ndarray]:
        batch = [rows[i] for i in indices]
        padding = batch[:1] * (batch_size - len(batch)) * static_shapes
        return run_batch(batch + padding)[: len(batch)]

    return in_row_order(batches, run, len(rows))


def in_row_order(
    batches: Iterable[Sequence[int] | np.ndarray], run: Callable[[Any], Sequence], num_rows: int
) -> list:
    """Run batches of row numbers, and return the output of each row in the order of the rows."""
    outputs: list[Any] = [None] * num_rows
    for indices in batches:
        for i, output in zip(indices, run(indices), strict=True):
            outputs[i] = output
    return outputs


def logits_runner(forward: Forward, collate: Collator, task: Task) -> RunBatch:
    """Return a function from rows to the logits of each, without padding."""

    def run_batch(rows: list) -> Logits:
        batch = collate(rows)
        return task.unpad(forward(batch), batch)

    return run_batch


def change_by_padding(
    run_batch: RunBatch, row: dict[str, Any], longer: dict[str, Any], task: Task
) -> float:
    """Return by how much a row's outputs change beside a longer one, which pads it.

    0 where that is no more than rounding, of outputs in fp32. Of a language model -log p is
    compared alone: rounding may make another token the likeliest.
    """
    rows = [values | {"draw": (0, i)} for i, values in enumerate((row, longer))]
    alone, beside = run_batch(rows[:1])[0], run_batch(rows)[0]
    if task.is_language_model:
        alone, beside = alone[:1], beside[:1]
    change = float(np.abs(alone - beside).max(initial=0))
    return change if change > PADDING_TOLERANCE * np.abs(alone).max(initial=SMALL) else 0.0


def torch_forward(
    model: "nn.Module",
    task: Task,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
    *,
    reduce: bool = True,
) -> Forward:
    """Return a function from a batch to its logits, reduced to what evaluation stores.

    Args:
        model: put into evaluation mode; runs on its device.
        autocast: the context to compute in; by default the precision of the weights.
        reduce: apply `Task.reduce_logits`; otherwise return all logits.
    """
    import torch

    model.eval()
    device = next(model.parameters()).device
    without_gradients = torch.no_grad if device.type == "xla" else torch.inference_mode

    def forward(batch: Batch) -> np.ndarray:
        inputs = {k: torch.from_numpy(v).to(device) for k, v in batch.items() if k != "labels"}
        with without_gradients(), autocast():
            logits = task.logits(model(**inputs), inputs).float()
            return (task.reduce_logits(logits, batch) if reduce else logits).cpu().numpy()

    return forward


def fastest_device() -> str:
    """Return `cuda` where there is a GPU, otherwise `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def import_onnxruntime() -> Any:
    """Return ONNX Runtime, which sends no usage statistics to its makers."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read when it is imported
    import onnxruntime

    return onnxruntime


def onnx_session(path: str, num_threads: int) -> "InferenceSession":
    """Open an ONNX model on the CPU with a fixed number of threads."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = num_threads, 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def onnx_forward(session: "InferenceSession", task: Task, *, reduce: bool = True) -> Forward:
    """Return a function like `torch_forward`'s that runs an ONNX session."""
    names = {tensor.name for tensor in session.get_inputs()}

    def forward(batch: Batch) -> np.ndarray:
        if missing := names - set(batch):
            raise InputError(
                f"the ONNX graph takes {', '.join(sorted(missing))}, which the tokenizer does not "
                "return: its files are another model's"
            )
        inputs = {name: batch[name] for name in names}
        logits = np.asarray(session.run([task.output_name], inputs)[0])
        return np.asarray(task.reduce_logits(logits, batch)) if reduce else logits

    return forward
