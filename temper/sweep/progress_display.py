"""Show a running sweep: a line per finished trial; on a terminal also a bar and the best so far."""

from collections import Counter
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from temper.compare.experiments import format_mean, format_value
from temper.evaluation.text_tables import Table
from temper.params import user_code
from temper.sweep import space
from temper.sweep.study import Study

STATE_NAMES = {"COMPLETE": "finished", "PRUNED": "stopped early", "FAIL": "failed"}


def build_table(study: Study, trials: Sequence[FrozenTrial]) -> Table:
    """Build a table of the configurations with scores, best first."""
    config = study.config
    ranked = study.rank(trials)
    names = list(dict.fromkeys(name for configuration in ranked for name in configuration.values))
    seeds = ["seeds"] if config.seeds else []
    head = ["trial", config.metric, *seeds, *column_names(names)]
    table = Table(f"trials of {config.name}: {config.objective}", head, [])
    for configuration in ranked:
        shown = {n: format_value(v, space.DIGITS_SHOWN) for n, v in configuration.values.items()}
        scores = configuration.scores
        seeds = [f"{len(scores)} of {config.num_seeds}"] if config.seeds else []
        cells = [shown.get(name, "") for name in names]
        numbers = ",".join(str(trial.number) for trial in configuration.trials)
        table.rows.append([numbers, format_mean(scores), *seeds, *cells])
    return table


def column_names(names: Sequence[str]) -> list[str]:
    """Shorten dotted names to their last part; whole names where two end alike."""
    last = [user_code.attribute_name(name) for name in names]
    return [n if last.count(short) > 1 else short for n, short in zip(names, last, strict=True)]


def format_counts(trials: Sequence[FrozenTrial]) -> str:
    """Format the number of trials by outcome: `12 finished, 3 stopped early, 1 failed`."""
    counts = Counter(trial.state.name for trial in trials)
    parts = [f"{counts[state]} {name}" for state, name in STATE_NAMES.items() if counts[state]]
    return ", ".join(parts) or "none finished"


def format_best(study: Study, trials: Sequence[FrozenTrial]) -> str:
    """Format the best configuration as `accuracy 0.9120  train.learning_rate=0.0001`."""
    ranked = study.rank(trials)
    if not ranked:
        return ""
    return f"{study.config.metric} {ranked[0].mean:.4f}  {space.format_values(ranked[0].values)}"


class Display:
    """Prints the progress of a sweep."""

    def __init__(self, study: Study, console: Console):
        self.study, self.console = study, console
        self.printed = {t.number for t in study.trials() if t.state.is_finished()}
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        is_hidden = not console.is_terminal
        self.progress = Progress(*columns, console=console, transient=True, disable=is_hidden)
        self.task = self.progress.add_task("", total=study.max_trials)

    def update(self) -> None:
        """Print the trials that have ended, and refresh the bar."""
        trials = self.study.trials()
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self.printed:
                self.printed.add(trial.number)
                self.console.print(self.format_trial(trial), soft_wrap=True)
        running = [trial for trial in trials if not trial.state.is_finished()]
        local = [t.number for t in running if t.user_attrs.get("folder") == self.study.folder]
        status = f"running: {', '.join(map(str, local))}"
        if len(running) > len(local):
            status += f"; {len(running) - len(local)} on other machines"
        if best := format_best(self.study, trials):
            status += f"; best: {best}"
        self.progress.update(self.task, completed=len(self.printed), description=status)

    def format_trial(self, trial: FrozenTrial) -> str:
        """Format the line that reports a trial that has ended."""
        notes, name = trial.user_attrs, STATE_NAMES[trial.state.name]
        outcome = f"{name}: {notes.get('reason')}"
        if trial.state == TrialState.COMPLETE:
            outcome = f"{self.study.config.metric} {trial.value:.4f}"
        seed = "" if notes.get("seed") is None else f" seed={notes['seed']}"
        values = space.format_values(notes.get("values", {})) + seed  # {}: killed while drawing
        progress = f"[{len(self.printed)}/{self.study.max_trials or '?'}]"
        return f"trial {trial.number}: {outcome}  {values}  {progress}"
