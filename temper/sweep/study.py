"""The trials of a sweep in Optuna: which one is next, each run once, and what they scored.

A trial has a position in the sweep, the smallest free one, which fixes its configuration and seed.
What is drawn depends on the sweep's seed, the configuration and the scores before it, never on this
process: after a kill the same values are drawn.
"""

import itertools
import math
import os
import random
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from temper.sweep import ranking, space
from temper.sweep.sweep_config import SweepConfig

DRAWING_S = 5.0  # how long another machine may take to draw the values of a configuration


def is_counted(trial: FrozenTrial) -> bool:
    """Leave out trials that failed without a reason: beyond the budget, or their machine died."""
    return trial.state != TrialState.FAIL or "reason" in trial.user_attrs


class Study:
    """The trials of one sweep; one `temper sweep` at a time works in the folder with this id."""

    def __init__(
        self,
        config: SweepConfig,
        storage: optuna.storages.RDBStorage,
        is_integer: dict[str, bool],
        folder: str,
        *,
        greater_is_better: bool,
    ):
        self.config, self.storage, self.is_integer = config, storage, is_integer
        self.folder, self.greater_is_better = folder, greater_is_better
        self.grid = space.grid(config.parameters) if config.method == "grid" else None
        self.witnessed: set[int] = set()  # trials that were seen before a process had claimed them
        pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
        if config.prune is not None:
            pruner = optuna.pruners.MedianPruner(
                n_startup_trials=config.prune.after_trials,
                n_warmup_steps=config.prune.after_evaluations + 1,  # the first to prune, from 1
            )
        self.optuna = optuna.create_study(
            storage=storage,
            study_name=config.name,
            direction="maximize" if greater_is_better else "minimize",
            pruner=pruner,
            load_if_exists=True,
        )

    @property
    def max_trials(self) -> int | None:
        """Return how many trials there will be; None where only time ends the sweep."""
        limits = [self.config.budget.trials]
        limits += [None if self.grid is None else len(self.grid) * self.config.num_seeds]
        return min((limit for limit in limits if limit is not None), default=None)

    def trials(self) -> list[FrozenTrial]:
        return list(filter(is_counted, self.optuna.get_trials(deepcopy=False)))

    def num_left(self) -> float:
        """Return how many trials have not ended; infinity where only time ends the sweep."""
        num_ended = sum(trial.state.is_finished() for trial in self.trials())
        return math.inf if self.max_trials is None else self.max_trials - num_ended

    def running(self, **attributes: Any) -> list[FrozenTrial]:
        """Return the trials that run, here or on another machine, with these attributes."""
        trials = self.optuna.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [trial for trial in trials if attributes.items() <= trial.user_attrs.items()]

    def rank(self, trials: Iterable[FrozenTrial]) -> list[ranking.Configuration]:
        seeds, greater_is_better = self.config.num_seeds, self.greater_is_better
        return ranking.rank(trials, seeds, greater_is_better=greater_is_better)

    # -- which trial is next -----------------------------------------------------------------

    def next(self) -> optuna.Trial | None:
        """Begin a trial; None where none is left."""
        return self.claim(self.optuna.ask()._trial_id) if self.has_unstarted() else None

    def has_unstarted(self) -> bool:
        return self.max_trials is None or len(self._taken()) < self.max_trials

    def _taken(self) -> set[int]:
        attributes = (trial.user_attrs for trial in self.trials())
        return {a["position"] for a in attributes if "position" in a}

    def claim(self, trial_id: int) -> optuna.Trial | None:
        """Make a running trial this process's, with its values; None beyond the budget.

        Two machines that ask at the same time may exceed the budget by a trial.
        """
        trial = optuna.Trial(self.optuna, trial_id)
        self.heartbeat([trial_id])
        if self.storage.get_trial(trial_id).state != TrialState.RUNNING:
            return None  # this machine was away for long, and another took over
        trial.set_user_attr("folder", self.folder)
        trial.set_user_attr("process", os.getpid())
        if "position" not in trial.user_attrs:
            position = self._free_position(trial.number)
            if self.max_trials is not None and position >= self.max_trials:
                self.optuna.tell(trial, state=TrialState.FAIL)
                return None
            configuration, index = divmod(position, self.config.num_seeds)
            trial.set_user_attr("configuration", configuration)
            trial.set_user_attr("seed", self.config.seeds[index] if self.config.seeds else None)
            trial.set_user_attr("position", position)
        if "values" not in trial.user_attrs:
            trial.set_user_attr("values", self._draw(trial))
        return trial

    def _free_position(self, number: int) -> int:
        """Return the position that is next, after those that earlier trials are about to take."""
        ahead = sum(t.number < number and "position" not in t.user_attrs for t in self.running())
        taken = self._taken()
        free = (position for position in itertools.count() if position not in taken)
        return next(itertools.islice(free, ahead, None))

    def _draw(self, trial: optuna.Trial) -> space.Values:
        """Draw a trial's values, in the order of the file; other seeds have the same."""
        configuration, fixed = trial.user_attrs["configuration"], self._fixed_params(trial)
        self.optuna.sampler = self._sampler(configuration, "", fixed)
        _ = trial.relative_params  # drawn together, before any of them is stored
        values: space.Values = {}
        for name, parameter in self.config.parameters.items():
            if space.is_active(parameter, values):
                self.optuna.sampler = self._sampler(configuration, name, fixed)
                is_integer = None if self.grid is not None else self.is_integer[name]
                values[name] = space.suggest(trial, name, parameter, is_integer)
        return values

    def _fixed_params(self, trial: optuna.Trial) -> dict[str, Any]:
        """Return the values, as Optuna stores them, that the trial's configuration has already."""
        configuration = trial.user_attrs["configuration"]
        if self.grid is not None:
            values = self.grid[configuration]
            return {name: space.encode_choice(value) for name, value in values.items()}
        deadline = time.monotonic() + DRAWING_S
        while True:
            earlier = [t for t in self.siblings(configuration) if t.number < trial.number]
            drawn = [t.params for t in earlier if "values" in t.user_attrs]
            is_drawing = any(t.state == TrialState.RUNNING for t in earlier)
            if drawn or not is_drawing or time.monotonic() > deadline:
                return drawn[0] if drawn else {}
            time.sleep(0.1)

    def _sampler(
        self, configuration: int, name: str, fixed: dict[str, Any]
    ) -> optuna.samplers.BaseSampler:
        """Return a sampler seeded by the sweep's seed, a configuration and a parameter."""
        seed = random.Random(f"{self.config.seed} {configuration} {name}").getrandbits(32)
        conditional = any(parameter.when for parameter in self.config.parameters.values())
        sampler: optuna.samplers.BaseSampler = optuna.samplers.RandomSampler(seed)
        if self.config.method == "tpe":
            sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, group=conditional)
        return optuna.samplers.PartialFixedSampler(fixed, sampler) if fixed else sampler

    def siblings(self, configuration: int) -> list[FrozenTrial]:
        """Return the trials of a configuration, also those whose machine died."""
        trials = self.optuna.get_trials(deepcopy=False)
        return [t for t in trials if t.user_attrs.get("configuration") == configuration]

    # -- while they run ----------------------------------------------------------------------

    def heartbeat(self, trial_ids: Iterable[int]) -> None:
        """Tell other machines that trials are alive, and fail those of machines that have died.

        A trial that nobody has claimed gets one heartbeat: its machine may have died before that.
        """
        if self.config.storage is not None:
            unclaimed = {t._trial_id for t in self.running() if "folder" not in t.user_attrs}
            for trial_id in {*trial_ids, *(unclaimed - self.witnessed)}:
                self.storage.record_heartbeat(trial_id)
            self.witnessed |= unclaimed
            optuna.storages.fail_stale_trials(self.optuna)

    def should_prune(self, trial: optuna.Trial, evaluation: int, score: float) -> bool:
        """Report an intermediate score; return whether to stop the trial."""
        try:
            if evaluation not in self.storage.get_trial(trial._trial_id).intermediate_values:
                trial.report(score, evaluation)
        except UpdateFinishedTrialError:  # see `claim`
            return True
        return self.config.prune is not None and trial.should_prune()

    def note(self, trial: optuna.Trial, **notes: Any) -> None:
        """Store attributes of a trial, unless another machine took it over: see `claim`."""
        with suppress(UpdateFinishedTrialError):
            for key, value in notes.items():
                trial.set_user_attr(key, value)

    def tell(
        self, trial: optuna.Trial, state: str, score: float | None = None, **notes: Any
    ) -> None:
        """Store the outcome of a trial: COMPLETE, PRUNED or FAIL."""
        self.note(trial, **notes)
        self.optuna.tell(trial, score, state=TrialState[state], skip_if_finished=True)
