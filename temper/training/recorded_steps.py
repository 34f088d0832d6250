"""Whole optimizer steps as CUDA graphs: how engine `loop` trains in bf16 on one GPU.

A small model on a GPU waits for Python: a step launches a thousand kernels. Here a step is recorded
once per shape of a batch and then replayed by one call (see "CUDA Graphs" in PyTorch's notes): rows
gathered from a table on the device, forward, backward, clipping, AdamW.

The network computes with bf16 copies of the fp32 weights, refreshed after each step. Dropout
depends on (seed, step) alone, so a resumed training ends with the same bytes.
"""

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from temper.core.errors import InputError, first_line
from temper.training import memory, networks
from temper.training.batching import Tensors
from temper.training.flat_weights import FlatWeights, adamw_, bias_corrections
from temper.training.optimizer import layers
from temper.training.row_table import NotRecordable, RowTable, Shape
from temper.training.session import TrainingSession

STATE_FILE = "flat_state.safetensors"
LOG_EVERY = 64  # steps between two looks at loss and gradient norm, which wait for the GPU

Metrics = dict[str, float]  # loss, grad_norm, learning_rate


def obstacle(session: TrainingSession) -> str | None:
    """Return which parameter or network forbids recorded steps; None: nothing does."""
    params, args = session.params, session.args
    reasons = {
        "several processes": args.world_size > 1,
        f"train.precision is {params.precision}": params.precision != "bf16",
        "gradient accumulation": args.gradient_accumulation_steps > 1,
        "train.gradient_checkpointing": params.gradient_checkpointing,
        f"train.optimizer is {params.optimizer}": params.optimizer is not None,
        "train.weight_averaging is ema": session.ema is not None,
        "train.collator": params.collator is not None,
        "a loss across the rows of a batch": session.task.params.has_in_batch_loss,
        "batch normalization": any(isinstance(m, _BatchNorm) for m in session.model.modules()),
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


class RecordedSteps:
    """The steps of a session, to be replayed in order.

    Args:
        session: what is trained; its model moves to the device, its weights become views.

    Raises:
        NotRecordable: a step cannot be recorded; the session is as it was.
    """

    def __init__(self, session: TrainingSession, optimizer: Optimizer, scheduler: Any):
        self.session, self.optimizer, params = session, optimizer, session.params
        self.device = session.args.device
        bases = list(zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True))
        steps = range(session.total_steps)
        rates = torch.tensor([[base * factor(i) for base, factor in bases] for i in steps])
        self.log_every = 1 if params.callbacks else LOG_EVERY
        self.rates_on_cpu, self.rates = rates, rates.to(self.device)
        self.bias_corrections = bias_corrections(params, len(rates)).to(self.device)
        self.step_number = torch.zeros((), dtype=torch.int64, device=self.device)  # from 0
        self.metrics = torch.zeros(self.log_every, 2, device=self.device)  # loss, gradient norm
        self.replays: dict[Shape, tuple[Callable[[], None], float]] = {}
        self.num_pending, self.pool = 0, None
        networks.move(session.model, self.device)
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            self.table = RowTable(session, self.device)
            with session.autocast():
                groups = self._groups_with_gradients(optimizer.param_groups)
            self.weights = FlatWeights(session.model, groups, params)
            self._compile()
            try:
                shapes = map(self.table.shape, session.sampler.global_batches(0))
                largest = max(shapes, key=math.prod)  # memory runs out now or hardly ever
                self.replays[largest] = self._record(largest)
            except Exception as error:
                if memory.is_out_of_memory(error):
                    raise
                reason = f"{type(error).__name__}: {first_line(error):.200}"
                raise NotRecordable(reason) from error

    def _compile(self) -> None:
        """Compile AdamW to one kernel per group and, with `train.compile`, the layers."""
        torch.use_deterministic_algorithms(  # tell the compiler, which is imported only now
            torch.are_deterministic_algorithms_enabled(),
            warn_only=torch.is_deterministic_algorithms_warn_only_enabled(),
        )
        if self.device.type == "cuda":
            self.weights.update_group = torch.compile(adamw_, dynamic=True)
        if self.session.params.compile:
            for layer in layers(self.weights.compute_model):
                layer.compile(dynamic=True)

    def _groups_with_gradients(self, groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the groups without weights that the loss does not depend on.

        AdamW leaves those alone, while zeros in a flat gradient would decay them.
        """
        model, rows = self.session.model, torch.zeros(1, dtype=torch.int64, device=self.device)
        self._loss(model, self.table.batch(rows, self.table.width)).backward()
        groups = [g | {"params": [p for p in g["params"] if p.grad is not None]} for g in groups]
        model.zero_grad()
        return groups

    def batches(self, skip: int) -> Iterator[Any]:
        """Put the rows of the sampler's epoch on the device.

        Returns:
            The shapes of its batches, without the first `skip`.
        """
        batches = self.table.load_epoch()
        return (self.table.shape(batch) for batch in batches[skip:])

    def run(self, step: int, shape: Shape) -> float:
        """Start a step on the GPU, without waiting for it; return its flops.

        Args:
            shape: that its batch is filled up to.
        """
        if shape not in self.replays:
            self.replays[shape] = self._record(shape)
        if self.num_pending == 0:
            self.step_number.fill_(step)
        torch.cuda.manual_seed(self.session.seed + (step << 32))
        replay, flops = self.replays[shape]
        replay()
        self.num_pending += 1
        return flops

    def take_metrics(self, step: int, *, flush: bool) -> list[tuple[int, Metrics]]:
        """Wait for the steps since the last call; return their numbers (from 1) and metrics.

        Args:
            step: number of the last one, from 1.
            flush: wait even for a few of them, rather than return nothing.
        """
        if not flush and self.num_pending < self.log_every:
            return []
        values, taken = self.metrics.tolist(), []
        for number in range(step - self.num_pending, step):
            loss, norm = values[number % self.log_every]
            rate = float(self.rates_on_cpu[number, 0])
            taken.append((number + 1, {"loss": loss, "grad_norm": norm, "learning_rate": rate}))
        self.num_pending = 0
        return taken

    def save(self, folder: Path) -> None:
        save_file(self.weights.state(), folder / STATE_FILE)

    def load(self, folder: Path) -> None:
        """Restore the weights and moments of a checkpoint.

        Raises:
            InputError: another kind of steps wrote it.
        """
        if not (folder / STATE_FILE).exists():
            raise other_kind_of_steps(folder)
        self.weights.restore(load_file(folder / STATE_FILE, device=str(self.device)))

    def _record(self, shape: Shape) -> tuple[Callable[[], None], float]:
        """Record the step of a shape; return what replays it, and its flops."""
        flops = self.session.flops(self.table.batch_of_step(self.step_number, shape))
        stream, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # what libraries set up and compile at the first call
            self._forward_backward(shape)
            if not self.replays:
                self._warm_up_update()
        torch.cuda.current_stream().wait_stream(stream)
        self.weights.drop_gradients()
        with torch.cuda.graph(graph, pool=self.pool):
            self._step(shape)
        self.weights.drop_gradients()
        self.pool = graph.pool()
        return graph.replay, flops

    def _warm_up_update(self) -> None:
        """Make a step of the optimizer, and undo it."""
        saved = {name: tensor.clone() for name, tensor in self.weights.state().items()}
        try:
            self.weights.update(self.rates[0], self.bias_corrections[0])
        except Exception as error:
            if memory.is_out_of_memory(error):
                raise
            print(f"AdamW is not compiled, which is slower: {error!s:.200}", file=sys.stderr)
            self.weights.update_group = adamw_
            self.weights.update(self.rates[0], self.bias_corrections[0])
        self.weights.restore(saved)

    def _step(self, shape: Shape) -> None:
        loss = self._forward_backward(shape)
        step = self.step_number[None]
        tables = self.rates, self.bias_corrections
        norm = self.weights.update(*(table.index_select(0, step)[0] for table in tables))
        self.metrics.index_copy_(0, step % self.log_every, torch.stack([loss, norm])[None])
        self.step_number += 1

    def _forward_backward(self, shape: Shape) -> torch.Tensor:
        loss = self._loss(self._compute, self.table.batch_of_step(self.step_number, shape))
        loss.backward()
        return loss.detach()

    def _loss(self, model: Callable[..., Any], batch: Tensors) -> torch.Tensor:
        num_labels = self.session.rows.num_labels([batch], self.device)
        return self.session.compute_loss(model, batch, num_labels, 0)  # on a GPU torch drops

    def _compute(self, **inputs: torch.Tensor) -> Any:
        """Call the bf16 network; what it returns is fp32, as under autocast."""
        dtype = self.weights.dtype
        inputs = {k: v.to(dtype) if v.is_floating_point() else v for k, v in inputs.items()}
        outputs = self.weights.compute_model(**inputs)
        for name, value in outputs.items():
            if torch.is_tensor(value) and value.is_floating_point():
                outputs[name] = value.float()
        return outputs


def other_kind_of_steps(folder: Path) -> InputError:
    return InputError(
        f"{folder} was written by another kind of steps (CUDA graphs, or one kernel at a time): "
        f"remove {folder.parent} to train from the start"
    )
