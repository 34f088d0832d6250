"""A running sweep → a line per trial that ends; on a terminal a bar and the best so far too."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from temper.params import user_code
from temper.sweep import ranking, space
from temper.sweep.results import Result
from temper.sweep.study import Study
from temper.sweep.sweep_config import SweepConfig

SHOWN = 5  # configurations in the live table
OFTEN_S = 0.5  # between two looks at the database for the live table
DONE = ("COMPLETE", "PRUNED", "FAIL")
WORDS = {"COMPLETE": "finished", "PRUNED": "stopped early", "FAIL": "failed"}


def table(
    config: SweepConfig, results: Sequence[Result], *, greater: bool, most: int | None = None
) -> Any:
    """Return the configurations with scores, best first, as a rich table."""
    from rich.table import Table

    from temper.compare import experiments

    found = ranking.ranked(results, config.num_seeds, greater=greater)
    names = list(dict.fromkeys(name for one in found for name in one.values))
    title = f"{config.name}: {config.objective}"
    shown = Table(title=title, min_width=len(title))
    for name in ("trial", config.metric, *(["seeds"] if config.seeds else []), *headings(names)):
        shown.add_column(name, overflow="fold")
    for one in found[:most]:
        seeds = [f"{len(one.scores)} of {config.num_seeds}"] if config.seeds else []
        cells = [space.short(one.values[n]) if n in one.values else "" for n in names]
        numbers = [str(result.number) for result in one.finished]
        shown.add_row(",".join(numbers), experiments.format_mean(one.scores), *seeds, *cells)
    return shown


def headings(names: Sequence[str]) -> list[str]:
    """Return the last parts of dotted names, or whole names where two end alike."""
    last = [user_code.last(name) for name in names]
    return [n if last.count(short) > 1 else short for n, short in zip(names, last, strict=True)]


def counts(results: Sequence[Result]) -> str:
    """Return `12 finished, 3 stopped early, 1 failed`."""
    found = Counter(result.state for result in results)
    return ", ".join(f"{found[s]} {WORDS[s]}" for s in DONE if found[s]) or "none finished"


class Display:
    """What a sweep shows while it runs.

    Args:
        study: whose results are shown.
        console: rich's.
    """

    def __init__(self, study: Study, console: Any):
        self.study, self.config, self.console = study, study.config, console
        self.told = {r.number for r in study.results() if r.state in DONE}
        self.live: Any = None
        self.looked_at = 0.0
        self.began: dict[int, float] = {}  # the trials of this process, and when

    def __enter__(self) -> "Display":
        if self.console.is_terminal:
            from rich.live import Live

            self.live = Live(console=self.console, auto_refresh=False, transient=True)
            self.live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self.live is not None:
            self.live.stop()

    def update(self, slots: Sequence[Any], *, ended: bool) -> None:
        """Show what is new.

        Args:
            slots: the workers, and the trials they have.
            ended: whether a trial has just ended here; others' are looked for now and then.
        """
        if not ended and time.monotonic() - self.looked_at < OFTEN_S:
            return
        self.looked_at = time.monotonic()
        results = self.study.results()
        for result in results:
            if result.state in DONE and result.number not in self.told:
                self.told.add(result.number)
                self.console.print(self.line(result), soft_wrap=True)
        if self.live is not None:
            self.live.update(self._picture(results, slots), refresh=True)

    def line(self, result: Result) -> str:
        """Return what is said of a trial that has ended."""
        total = self.study.most_trials
        seed = "" if result.seed is None else f" seed={result.seed}"
        said = (
            f"{self.config.metric} {result.score:.4f}"
            if result.score is not None
            else f"{WORDS[result.state]}: {result.notes.get('reason', '')}"
        )
        head = f"trial {result.number}: {said}"
        return f"{head}  {space.as_text(result.values)}{seed}  [{len(self.told)}/{total or '?'}]"

    def _picture(self, results: Sequence[Result], slots: Sequence[Any]) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        done = sum(result.state in DONE for result in results)
        total = self.study.most_trials
        here = [slot.trial.number for slot in slots if slot.trial is not None]
        now = time.monotonic()
        self.began = {number: self.began.get(number, now) for number in here}
        elsewhere = sum(result.state == "RUNNING" for result in results) - len(here)
        running = "".join(f"; trial {n} for {now - since:.0f} s" for n, since in self.began.items())
        running += f"; {elsewhere} elsewhere" if elsewhere > 0 else ""
        of = f" of {total}" if total else ""
        return Group(
            table(self.config, results, greater=self.study.greater, most=SHOWN),
            ProgressBar(total=total, completed=done, width=40),
            Text(f" {done}{of} trials: {counts(results)}{running}"),
            Text(f" sweeps/{self.config.name}/logs says what each is doing", style="dim"),
        )
