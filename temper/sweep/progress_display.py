"""Show a running sweep: a line per finished trial; on a terminal also a bar and the best so far."""

import time
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from temper.compare import experiments
from temper.params import user_code
from temper.sweep import ranking, space
from temper.sweep.results import ENDED, Result
from temper.sweep.study import Study
from temper.sweep.sweep_config import SweepConfig
from temper.sweep.worker_handle import WorkerHandle

NUM_LIVE_ROWS = 5  # configurations in the live table
REFRESH_S = 0.5  # between two queries of the database for the live table
STATE_NAMES = {"COMPLETE": "finished", "PRUNED": "stopped early", "FAIL": "failed"}


def build_table(
    config: SweepConfig,
    results: Sequence[Result],
    *,
    greater_is_better: bool,
    max_rows: int | None = None,
) -> Table:
    """Build a table of the configurations with scores, best first."""
    ranked = ranking.rank(results, config.num_seeds, greater_is_better=greater_is_better)
    names = list(dict.fromkeys(name for configuration in ranked for name in configuration.values))
    title = f"{config.name}: {config.objective}"
    table = Table(title=title, min_width=len(title))
    seeds = ["seeds"] if config.seeds else []
    for name in ("trial", config.metric, *seeds, *column_names(names)):
        table.add_column(name, overflow="fold")
    for configuration in ranked[:max_rows]:
        values, scores = configuration.values, configuration.scores
        seeds = [f"{len(scores)} of {config.num_seeds}"] if config.seeds else []
        cells = [space.format_value(values[n]) if n in values else "" for n in names]
        numbers = ",".join(str(trial.number) for trial in configuration.trials)
        table.add_row(numbers, experiments.format_mean(scores), *seeds, *cells)
    return table


def column_names(names: Sequence[str]) -> list[str]:
    """Shorten dotted names to their last part; whole names where two end alike."""
    last = [user_code.attribute_name(name) for name in names]
    return [n if last.count(short) > 1 else short for n, short in zip(names, last, strict=True)]


def format_counts(results: Sequence[Result]) -> str:
    """Format the number of trials by outcome: `12 finished, 3 stopped early, 1 failed`."""
    counts = Counter(result.state for result in results)
    parts = [f"{counts[state]} {STATE_NAMES[state]}" for state in ENDED if counts[state]]
    return ", ".join(parts) or "none finished"


class Display:
    """Prints the progress of a sweep.

    Args:
        study: whose results are shown.
        console: to print on.
    """

    def __init__(self, study: Study, console: Console):
        self.study, self.config, self.console = study, study.config, console
        self.printed = {r.number for r in study.results() if r.state in ENDED}
        self.live: Live | None = None
        self.last_update = 0.0
        self.started: dict[int, float] = {}  # start times of this process's trials

    def __enter__(self) -> "Display":
        if self.console.is_terminal:
            self.live = Live(console=self.console, auto_refresh=False, transient=True)
            self.live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self.live is not None:
            self.live.stop()

    def update(self, workers: Collection[WorkerHandle], *, ended: bool) -> None:
        """Print the trials that have ended and refresh the live table.

        Args:
            workers: and the trials they run.
            ended: whether a trial of this process has just ended; for those of other machines the
                database is queried every `REFRESH_S`.
        """
        if not ended and time.monotonic() - self.last_update < REFRESH_S:
            return
        self.last_update = time.monotonic()
        results = self.study.results()
        for result in results:
            if result.state in ENDED and result.number not in self.printed:
                self.printed.add(result.number)
                self.console.print(self.format_trial(result), soft_wrap=True)
        if self.live is not None:
            self.live.update(self._live_view(results, workers), refresh=True)

    def format_trial(self, result: Result) -> str:
        """Format the line that reports a trial that has ended."""
        total = self.study.max_trials
        seed = "" if result.seed is None else f" seed={result.seed}"
        outcome = (
            f"{self.config.metric} {result.score:.4f}"
            if result.score is not None
            else f"{STATE_NAMES[result.state]}: {result.notes.get('reason', '')}"
        )
        values = space.format_values(result.values)
        progress = f"[{len(self.printed)}/{total or '?'}]"
        return f"trial {result.number}: {outcome}  {values}{seed}  {progress}"

    def _live_view(self, results: Sequence[Result], workers: Collection[WorkerHandle]) -> Group:
        num_ended = sum(result.state in ENDED for result in results)
        total = self.study.max_trials
        local = [worker.trial.number for worker in workers if worker.trial is not None]
        now = time.monotonic()
        self.started = {number: self.started.get(number, now) for number in local}
        remote = sum(result.state == "RUNNING" for result in results) - len(local)
        running = "".join(f"; trial {n} for {now - t:.0f} s" for n, t in self.started.items())
        running += f"; {remote} on other machines" if remote > 0 else ""
        of_total = f" of {total}" if total else ""
        greater_is_better = self.study.greater_is_better
        return Group(
            build_table(
                self.config, results, greater_is_better=greater_is_better, max_rows=NUM_LIVE_ROWS
            ),
            ProgressBar(total=total, completed=num_ended, width=40),
            Text(f" {num_ended}{of_total} trials: {format_counts(results)}{running}"),
            Text(f" logs: sweeps/{self.config.name}/logs", style="dim"),
        )
