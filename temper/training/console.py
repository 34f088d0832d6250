"""What training prints while it runs: its sizes, a progress bar, a line per evaluation."""

import resource
import shutil
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm

    from temper.training.session import TrainingSession
    from temper.training.soup import ModelSoup

FIRST_COLUMNS = ("step", "epoch", "train loss", "val loss")
LAST_COLUMNS = ("lr", "grad norm")  # where there is room
MAX_METRICS = 4  # columns between them
MIN_WIDTH, GAP = 6, 2  # characters of a column, and before it
LOG_INTERVAL_S = 60  # between two lines where there is no terminal, and so no bar


class ProgressTable:
    """A progress bar over the steps and, for each evaluation, a line that stays.

    The line is as wide as the terminal. Without one (a pipe, a log file) there is no bar, and a
    line of text once a minute.

    Args:
        metric_for_best_model: always among the metrics that are shown.
    """

    def __init__(self, metric_for_best_model: str):
        self.metric_for_best_model = metric_for_best_model
        self.bar: tqdm | None = None
        self.columns: list[str] = []
        self.metric_names: set[str] = set()
        self.unit, self.units_per_step = "tokens/s", 0.0
        self.total_steps, self.steps_per_epoch = 0, 1
        self.last_train_metrics: dict[str, float] = {}
        self.last_time_s, self.last_step = time.monotonic(), 0  # of the last evaluation
        self.last_log_s = self.last_time_s

    def __enter__(self) -> "ProgressTable":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def on_start(self, session: "TrainingSession") -> None:
        """Print the session's sizes; a soup's members and a restart have one session each."""
        print(describe(session))
        task, lengths = session.task.params, session.sampler.lengths
        self.unit = f"{task.examples_name}/s" if task.medium else "tokens/s"
        num_units = len(lengths) if task.medium else float(lengths.sum())
        self.units_per_step = num_units / session.steps_per_epoch
        self.total_steps = session.total_steps * (session.params.model_soup_size or 1)
        self.steps_per_epoch = session.steps_per_epoch

    def on_metrics(self, prefix: str, metrics: dict[str, float], step: int) -> None:
        """Show the metrics of a step or an evaluation."""
        from tqdm import tqdm

        if self.bar is None:
            self.last_step = first = max(0, step - 1)
            self.bar = tqdm(total=self.total_steps, initial=first, unit="step", disable=None)
        if prefix == "train":
            self.last_train_metrics = metrics
            self.bar.set_postfix(loss=f"{metrics['loss']:.4f}", refresh=False)
            self.bar.update(step - self.bar.n)
            if self.bar.disable and time.monotonic() - self.last_log_s > LOG_INTERVAL_S:
                self._write(f"step {step:,} of {self.total_steps:,}, loss {metrics['loss']:.4f}")
            return
        elapsed_s = max(time.monotonic() - self.last_time_s, 1e-9)
        speed = (step - self.last_step) * self.units_per_step / elapsed_s
        last = dict.fromkeys(("loss", "learning_rate", "grad_norm"), float("nan"))
        last |= self.last_train_metrics
        cells = {
            "step": f"{step}",
            "epoch": f"{step / self.steps_per_epoch:.2f}",
            "train loss": f"{last['loss']:.4f}",
            "val loss": f"{metrics['loss']:.4f}",
            "lr": f"{last['learning_rate']:.2e}",
            "grad norm": f"{last['grad_norm']:.3f}",
            self.unit: f"{speed:,.0f}",
            **{name: f"{value:.4f}" for name, value in metrics.items() if name != "loss"},
        }
        if not step:  # the untrained model
            cells |= dict.fromkeys(("train loss", *LAST_COLUMNS, self.unit), "-")
        if not metrics.keys() <= self.metric_names:  # one may be undefined on the first rows
            self.metric_names |= metrics.keys()
            self.columns = self._fitting_columns(metrics)
            self._write_cells(self.columns)
        self._write_cells([cells.get(name, "-") for name in self.columns])
        self.last_time_s, self.last_step = time.monotonic(), step

    def _fitting_columns(self, metrics: dict[str, float]) -> list[str]:
        """Return the columns that the terminal has room for: the best model's metric first."""
        names = [name for name in metrics if name != "loss"][:MAX_METRICS]
        best = self.metric_for_best_model
        if best in metrics and best not in (*names, "loss"):
            names = [*names[: MAX_METRICS - 1], best]
        order = [*FIRST_COLUMNS, *names, *LAST_COLUMNS, self.unit]
        chosen = {*FIRST_COLUMNS, self.unit} | ({best} & set(names))
        for name in (*names, *LAST_COLUMNS):
            width = sum(column_width(column) for column in chosen | {name})
            if width <= shutil.get_terminal_size().columns:
                chosen.add(name)
        return [name for name in order if name in chosen]

    def _write_cells(self, cells: list[str]) -> None:
        pairs = zip(self.columns, cells, strict=True)
        self._write("".join(f"{cell:>{column_width(name)}}" for name, cell in pairs))

    def _write(self, line: str) -> None:
        from tqdm import tqdm

        tqdm.write(line, file=sys.stderr)
        self.last_log_s = time.monotonic()


def column_width(name: str) -> int:
    """Return the characters of a column with the gap before it."""
    least = {"lr": 8, "tokens/s": 9}.get(name, MIN_WIDTH)
    return GAP + max(len(name), least)


def describe(session: "TrainingSession") -> str:
    """Return the size of the data, the model and a batch, and the share of padding."""
    args, params, padding = session.args, session.params, ""
    if session.padding_share is not None:
        window = session.sampler.window
        padding = f", {session.padding_share:.1%} padding (bucket_window: {window})"
    examples = session.task.params.examples_name
    unit = examples if params.batch_tokens is None else "tokens"
    trainable = sum(p.numel() for p in session.model.parameters() if p.requires_grad)
    total = sum(p.numel() for p in session.model.parameters())
    return (
        f"{len(session.rows):,} {examples}, {session.steps_per_epoch:,} steps per epoch{padding}\n"
        f"{total:,} parameters, {trainable:,} trainable\n"
        f"batch size {params.global_batch} = {args.world_size} process x "
        f"{args.per_device_train_batch_size} {unit} x {args.gradient_accumulation_steps} "
        "accumulation steps"
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
