"""What training shows while it runs: the plan, a progress bar, a line per evaluation."""

import resource
import sys
import time
from typing import Any

COLUMNS = ("step", "epoch", "train loss", "val loss", "lr", "grad norm")


def describe(session: Any) -> None:
    """Print sizes, how a batch is divided, and the share of padding."""
    args, setup = session.args, session.setup
    padding = ""
    if setup.width is not None:
        padding = f", padding {session.sampler.padding_share(setup.width):.1%}"
    trainable = sum(p.numel() for p in session.model.parameters() if p.requires_grad)
    total = sum(p.numel() for p in session.model.parameters())
    print(
        f"{len(setup.train):,} rows, {total:,} parameters ({trainable:,} trained), batch "
        f"{setup.params.batch_size} = {args.world_size} process x "
        f"{args.per_device_train_batch_size} rows x {args.gradient_accumulation_steps}, "
        f"{session.steps_in('epoch')} steps an epoch{padding}"
    )
    Table.tokens_per_step = float(session.sampler.lengths.sum()) / session.steps_in("epoch")
    Table.unit = "rows/s" if setup.width is None else "tokens/s"
    Table.total = session.total_steps * (setup.params.model_soup_size or 1)
    Table.per_epoch = session.steps_in("epoch")


def resources(session: Any, elapsed_s: float) -> dict[str, float]:
    """Return what goes to the tracker and never into an output: time, speed, memory, flops."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    p, members = session.setup.params, session.members
    taken = [member.state.global_step - member.first_step for member in members]
    rows = sum(
        min(steps * p.batch_size, member.sampler.num_rows * p.epochs)
        for steps, member in zip(taken, members, strict=True)
    )
    found = {
        "system/train_time_s": elapsed_s,
        "system/samples_per_s": rows / elapsed_s,
        "system/steps_per_s": sum(taken) / elapsed_s,
        "system/total_flos": float(sum(member.state.total_flos for member in members)),
        "system/peak_memory_gib": peak,
    }
    if session.args.device.type == "cuda":
        import torch

        found["system/peak_gpu_memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
    return found


class Table:
    """A progress bar over the steps and, for each evaluation, a line that stays."""

    unit = "tokens/s"
    tokens_per_step = 0.0
    total = 0
    per_epoch = 1

    def __init__(self, metric_for_best_model: str):
        self.metric_for_best_model, self.bar = metric_for_best_model, None
        self.latest: dict[str, float] = {}
        self.since, self.since_step = time.monotonic(), 0

    def __enter__(self) -> "Table":
        return self

    def __exit__(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.close()

    def on_metrics(self, prefix: str, numbers: dict[str, float], step: int) -> None:
        """Take in what a step or an evaluation found."""
        from tqdm import tqdm

        if self.bar is None:
            often = 0.1 if sys.stderr.isatty() else 15  # seconds; a log file needs few lines
            self.bar = tqdm(total=self.total, initial=step - 1, unit="step", mininterval=often)
            self.since_step = step - 1
            self.names: list[str] = []
        if prefix == "train":
            self.latest = numbers
            self.bar.set_postfix(loss=f"{numbers['loss']:.4f}", refresh=False)
            self.bar.update(step - self.bar.n)
            return
        if not self.names:
            self.names = [name for name in numbers if name != "loss"][:4]
            if self.metric_for_best_model not in (*self.names, "loss"):
                self.names = [*self.names[:3], self.metric_for_best_model]
            heading = [*COLUMNS[:4], *self.names, *COLUMNS[4:], self.unit]
            tqdm.write("  ".join(f"{name:>10}" for name in heading), file=sys.stderr)
        speed = (step - self.since_step) * self.tokens_per_step / (time.monotonic() - self.since)
        cells = [
            f"{step}",
            f"{step / self.per_epoch:.2f}",
            f"{self.latest.get('loss', float('nan')):.4f}",
            f"{numbers['loss']:.4f}",
            *(f"{numbers[name]:.4f}" for name in self.names),
            f"{self.latest.get('learning_rate', float('nan')):.2e}",
            f"{self.latest.get('grad_norm', float('nan')):.3f}",
            f"{speed:,.0f}",
        ]
        tqdm.write("  ".join(f"{cell:>10}" for cell in cells), file=sys.stderr)
        self.since, self.since_step = time.monotonic(), step
