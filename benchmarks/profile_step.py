"""Where the time of a training step goes, beside the matrix products this machine can do.

`python benchmarks/profile_step.py --data path/to/mrpc --model path/to/all-MiniLM-L6-v2` trains with
`train.engine: loop` and prints two tables, of the parts of a step and of the operators of forward
and backward; `--set train.precision=bf16` changes parameters. Run it on an idle machine.
"""

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import yaml
from ladder import prepare, write_params
from mrpc import change
from transformers.trainer_callback import CallbackHandler

from temper import params
from temper.core import arrow, determinism
from temper.engines import loop
from temper.sweep import space
from temper.training import memory
from temper.training.session import TrainingSession

WARM_UP = 5  # steps that are not counted
OPERATOR_STEPS = 5  # in which operators are counted
MIN_SHARE = 0.015  # of an operator in the table


class Stopwatch:
    """Seconds per part of a step; what runs inside another part counts for that part alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.depth = 0

    def time(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            self.depth += 1
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.depth -= 1
                if self.depth == 0:
                    self.seconds[part] += time.perf_counter() - start

        return timed

    def time_items(self, part: str, items: Iterator[Any]) -> Iterator[Any]:
        """Time how long the next item takes."""
        end = object()
        pull = self.time(part, lambda: next(items, end))
        while (item := pull()) is not end:
            yield item


class ProfiledLoop(loop.AccelerateLoop):
    """The loop with a stopwatch on each part of a step."""

    def __init__(self, session: TrainingSession, watch: Stopwatch, num_steps: int):
        super().__init__(session)
        self.watch, self.num_steps, self.num_tokens, self.start = watch, num_steps, 0, 0.0

    def profile(self) -> tuple[dict[str, float], float]:
        """Train `num_steps` steps after the warm-up; return the seconds of each part, and all."""
        watch, session, accelerator = self.watch, self.session, self.accelerator
        session.compute_loss = watch.time("forward", session.compute_loss)
        accelerator.backward = watch.time("backward", accelerator.backward)
        accelerator.clip_grad_norm_ = watch.time("gradient norm, clip", accelerator.clip_grad_norm_)
        session.record_step = watch.time("history, log", session.record_step)
        for event in ("on_step_begin", "on_log", "on_step_end"):
            method = getattr(CallbackHandler, event)
            setattr(CallbackHandler, event, watch.time("callbacks", method))
        steps, state = self.steps, self.state
        steps.optimizer.step = watch.time("optimizer", steps.optimizer.step)
        steps.optimizer.zero_grad = watch.time("optimizer", steps.optimizer.zero_grad)
        self.call_event("on_train_begin")
        self.call_event("on_epoch_begin")
        batches = watch.time_items("batches", steps.batches(skip=0))
        for i in range(WARM_UP + self.num_steps):
            if i == WARM_UP:
                watch.seconds.clear()
                self.num_tokens, start = 0, time.perf_counter()
            micro_batches = next(batches)
            self.num_tokens += sum(b["input_ids"].numel() for b in micro_batches)
            self.call_event("on_step_begin")
            steps.run(state.global_step, micro_batches)
            state.global_step += 1
            self.call_event("on_step_end")
            self.log()
        parts, seconds = dict(watch.seconds), time.perf_counter() - start
        with torch.profiler.profile() as self.operators:
            for micro_batches, _ in zip(batches, range(OPERATOR_STEPS), strict=False):
                steps.backward(state.global_step, micro_batches)
        return parts, seconds


def matmul_flops(rows: int, inner: int, columns: int) -> float:
    """Return the floating-point operations per second of an fp32 product in torch."""
    a, b = torch.randn(rows, inner), torch.randn(inner, columns)
    best = float("inf")
    for _ in range(30):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * rows * inner * columns / best


def profile(num_steps: int) -> str:
    parameters, folder = params.load(), Path("checkpoints/profile")
    data = arrow.load(Path("data/tokenized"))
    session = TrainingSession(
        parameters, data, Path("data/base"), folder, lambda *_: None, parameters.seed
    )
    watch = Stopwatch()
    memory.keep_freed_memory()
    profiled = ProfiledLoop(session, watch, num_steps)
    config = session.model.config
    rows = parameters.train.batch_size * 64
    peaks = [
        matmul_flops(rows, config.hidden_size, 4 * config.hidden_size),
        matmul_flops(2048, 2048, 2048),
    ]
    parts, seconds = profiled.profile()
    steps = table(parts, seconds, session, profiled.num_tokens, num_steps, peaks)
    return f"{steps}\n\n{operator_table(profiled.operators)}"


def operator_table(profiler: torch.profiler.profile) -> str:
    """Return the operators' shares of forward and backward as Markdown."""
    averages = sorted(profiler.key_averages(), key=lambda op: -op.self_cpu_time_total)
    total = sum(op.self_cpu_time_total for op in averages)
    shares = {op.key: op.self_cpu_time_total / total for op in averages}
    shares = {name: share for name, share in shares.items() if share >= MIN_SHARE}
    shares["all others"] = 1 - sum(shares.values())
    lines = ["| operator | share |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| `{name}` | {share:.1%} |" for name, share in shares.items())])


def table(
    parts: dict[str, float],
    seconds: float,
    session: TrainingSession,
    num_tokens: int,
    num_steps: int,
    peaks: list[float],
) -> str:
    """Return the shares as Markdown."""
    parts = parts | {"the rest of the loop": seconds - sum(parts.values())}
    lines = ["| part of a step | ms | share |", "| --- | --- | --- |"]
    lines += [f"| {p} | {1e3 * s / num_steps:.1f} | {s / seconds:.1%} |" for p, s in parts.items()]
    lines += [f"| all | {1e3 * seconds / num_steps:.1f} | |"]
    flops = session.flops({"input_ids": torch.empty(num_tokens, device="meta")})
    reached = flops / (parts["forward"] + parts["backward"])
    return "\n".join(
        [
            *lines,
            "",
            f"{num_tokens / seconds:,.0f} tokens/s; forward and backward {reached / 1e9:.0f} "
            f"GFLOP/s, {reached / max(peaks):.0%} of the best fp32 product "
            f"({', '.join(f'{peak / 1e9:.0f}' for peak in peaks)} GFLOP/s: the feed-forward "
            "layer's size, and 2048 x 2048)",
        ]
    )


def main(options: argparse.Namespace) -> None:
    data, model = options.data.resolve(), options.model.resolve()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        tree = write_params(data, model, options.batch_size, {})
        tree["train"] |= {"engine": "loop"}
        tree["determinism"] |= {"num_threads": 2, "portable": options.portable}
        space.set_values(tree, dict(options.set))
        Path("params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
        parameters = params.load()
        prepare(parameters)
        determinism.configure(parameters.determinism, parameters.seed)
        print(profile(options.steps))
        print(json.dumps(dict(options.set)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--portable", action="store_true")
    parser.add_argument("--set", type=change, nargs="*", default=[])
    options = parser.parse_args()
    determinism.prepare(
        SimpleNamespace(num_threads=2, portable=options.portable, deterministic=True)
    )
    main(options)
