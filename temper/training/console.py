"""What training prints while it runs: its sizes, a progress bar, a line per evaluation."""

import resource
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm

    from temper.training.session import TrainingSession
    from temper.training.soup import ModelSoup

FIRST_COLUMNS = ("step", "epoch", "train loss", "val loss")
LAST_COLUMNS = ("lr", "grad norm")
MAX_METRICS = 4  # columns between them


class ProgressTable:
    """A progress bar over the steps and, for each evaluation, a line that stays.

    Args:
        metric_for_best_model: always among the metrics that are shown.
    """

    def __init__(self, metric_for_best_model: str):
        self.metric_for_best_model = metric_for_best_model
        self.bar: tqdm | None = None
        self.metric_names: list[str] = []
        self.unit, self.units_per_step = "tokens/s", 0.0
        self.total_steps, self.steps_per_epoch = 0, 1
        self.last_train_metrics: dict[str, float] = {}
        self.last_time_s, self.last_step = time.monotonic(), 0  # of the last line

    def __enter__(self) -> "ProgressTable":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def on_start(self, session: "TrainingSession") -> None:
        """Print the session's sizes; a soup's members and a restart have one session each."""
        print(describe(session))
        self.unit = "rows/s" if session.padded_length is None else "tokens/s"
        self.units_per_step = float(session.sampler.lengths.sum()) / session.steps_per_epoch
        self.total_steps = session.total_steps * (session.params.model_soup_size or 1)
        self.steps_per_epoch = session.steps_per_epoch

    def on_metrics(self, prefix: str, metrics: dict[str, float], step: int) -> None:
        """Show the metrics of a step or an evaluation."""
        from tqdm import tqdm

        if self.bar is None:
            self.last_step = step - 1
            interval_s = 0.1 if sys.stderr.isatty() else 15  # a log file needs few lines
            self.bar = tqdm(
                total=self.total_steps, initial=step - 1, unit="step", mininterval=interval_s
            )
        if prefix == "train":
            self.last_train_metrics = metrics
            self.bar.set_postfix(loss=f"{metrics['loss']:.4f}", refresh=False)
            self.bar.update(step - self.bar.n)
            return
        if not self.metric_names:
            self.metric_names = self._choose_metrics(metrics)
            self._write([*FIRST_COLUMNS, *self.metric_names, *LAST_COLUMNS, self.unit])
        elapsed_s = time.monotonic() - self.last_time_s
        speed = (step - self.last_step) * self.units_per_step / elapsed_s
        last = dict.fromkeys(("loss", "learning_rate", "grad_norm"), float("nan"))
        last |= self.last_train_metrics
        scores = [metrics["loss"], *(metrics[name] for name in self.metric_names)]
        cells = [f"{step}", f"{step / self.steps_per_epoch:.2f}", f"{last['loss']:.4f}"]
        cells += [f"{score:.4f}" for score in scores]
        cells += [f"{last['learning_rate']:.2e}", f"{last['grad_norm']:.3f}", f"{speed:,.0f}"]
        self._write(cells)
        self.last_time_s, self.last_step = time.monotonic(), step

    def _choose_metrics(self, metrics: dict[str, float]) -> list[str]:
        names = [name for name in metrics if name != "loss"][:MAX_METRICS]
        if self.metric_for_best_model in (*names, "loss"):
            return names
        return [*names[: MAX_METRICS - 1], self.metric_for_best_model]

    def _write(self, cells: list[str]) -> None:
        from tqdm import tqdm

        tqdm.write("  ".join(f"{cell:>10}" for cell in cells), file=sys.stderr)


def describe(session: "TrainingSession") -> str:
    """Return the size of the data, the model and a batch, and the share of padding."""
    args, params, padding = session.args, session.params, ""
    if session.padding_share is not None:
        window = session.sampler.window
        padding = f", {session.padding_share:.1%} padding (bucket_window: {window})"
    unit = "rows" if params.batch_tokens is None else "tokens"
    trainable = sum(p.numel() for p in session.model.parameters() if p.requires_grad)
    total = sum(p.numel() for p in session.model.parameters())
    return (
        f"{len(session.rows):,} rows, {total:,} parameters ({trainable:,} trainable), batch size "
        f"{params.global_batch} = {args.world_size} process x "
        f"{args.per_device_train_batch_size} {unit} x {args.gradient_accumulation_steps} "
        f"accumulation steps, {session.steps_per_epoch} steps per epoch{padding}"
    )


def resource_metrics(result: "TrainingSession | ModelSoup", elapsed_s: float) -> dict[str, float]:
    """Return time, speed, memory and flops, which are tracked and never written to an output."""
    members = result.members
    num_rows = sum(m.num_steps * m.sampler.num_rows / m.sampler.num_batches for m in members)
    metrics = {
        "system/train_time_s": elapsed_s,
        "system/samples_per_s": num_rows / elapsed_s,
        "system/steps_per_s": sum(member.num_steps for member in members) / elapsed_s,
        "system/total_flos": sum(member.total_flos for member in members),
        "system/peak_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    if members[-1].padding_share is not None:
        metrics["system/padding_share"] = members[-1].padding_share
    if members[-1].args.device.type == "cuda":
        import torch

        metrics["system/peak_gpu_memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
    return metrics
