"""The trials of a sweep in Optuna: which one is next, each run once, and what they scored.

What Optuna draws for a trial depends on the sweep's seed, the configuration's number and the scores
before it, never on this process: after a kill the same values are drawn.
"""

import random
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from temper.sweep import space
from temper.sweep.leases import Leases
from temper.sweep.results import Result, to_result
from temper.sweep.storage import quiet_optuna
from temper.sweep.sweep_config import SweepConfig


class Study:
    """The trials of one sweep.

    Args:
        config: of the sweep.
        storage: Optuna's.
        is_integer: for each parameter whether its values are integers.
        leases: which trials belong to this process.
        greater_is_better: for the objective.
    """

    def __init__(
        self,
        config: SweepConfig,
        storage: optuna.storages.RDBStorage,
        is_integer: dict[str, bool],
        leases: Leases,
        *,
        greater_is_better: bool,
    ):
        self.config, self.is_integer, self.leases = config, is_integer, leases
        self.greater_is_better = greater_is_better
        self.grid = space.grid(config.parameters) if config.method == "grid" else None
        with quiet_optuna():
            self.study = optuna.create_study(
                storage=storage,
                study_name=config.name,
                direction="maximize" if greater_is_better else "minimize",
                pruner=self._pruner(),
                load_if_exists=True,
            )
        leases.study = f"{config.name}/{self.study._study_id}"  # a deleted study may have the name

    def _pruner(self) -> optuna.pruners.BasePruner:
        prune = self.config.prune
        if prune is None:
            return optuna.pruners.NopPruner()
        return optuna.pruners.MedianPruner(
            n_startup_trials=prune.after_trials,
            n_warmup_steps=prune.after_evaluations + 1,  # the first step that may be pruned, from 1
        )

    @property
    def max_configurations(self) -> int | None:
        """Return how many configurations there will be; None where only time ends the sweep."""
        trials = self.config.budget.trials
        limit = None if trials is None else trials // self.config.num_seeds
        if self.grid is None:
            return limit
        return len(self.grid) if limit is None else min(limit, len(self.grid))

    @property
    def max_trials(self) -> int | None:
        limit = self.max_configurations
        return None if limit is None else limit * self.config.num_seeds

    # -- which trial is next -----------------------------------------------------------------

    def next(self, *, begin: bool) -> optuna.Trial | None:
        """Return a trial to run, now owned by this process; None where there is none to take.

        Args:
            begin: whether to begin new trials, or only to take over abandoned ones.
        """
        with quiet_optuna():
            trial = self._take_over()
            if trial is None and begin and self.has_unstarted():
                trial = self._ask()
        return trial

    def is_running(self) -> bool:
        """Check whether a trial is running, here or on another machine."""
        return bool(self.trials(states=(TrialState.RUNNING,)))

    def has_unstarted(self) -> bool:
        """Check whether there are trials that nobody has started."""
        limit = self.max_configurations
        waiting = self.trials(states=(TrialState.WAITING,))
        return bool(waiting) or limit is None or len(self._first_trials()) < limit

    def _take_over(self) -> optuna.Trial | None:
        """Return a running trial whose process is dead."""
        running = self.trials(states=(TrialState.RUNNING,))
        leases = self.leases.current() if running else {}
        for frozen in running:
            lease = leases.get(frozen.number)
            is_dead = self.leases.is_dead(frozen.number, lease)
            if is_dead and self.leases.acquire(frozen.number, lease):
                self.study.sampler = self._sampler(frozen.number, "")
                return self._with_values(optuna.Trial(self.study, frozen._trial_id))
        return None

    def _ask(self) -> optuna.Trial | None:
        """Return the next waiting trial, or a new one; None where another machine was faster."""
        self.study.sampler = self._sampler(-1, "")
        trial = self.study.ask()
        return self._with_values(trial) if self.leases.acquire(trial.number) else None

    def _first_trials(self) -> list[int]:
        """Return the number of each configuration's first trial."""
        return [t.number for t in self.trials() if "configuration" not in t.user_attrs]

    def _position(self, number: int) -> int | None:
        """Return the index of a first trial's configuration; None beyond the budget."""
        position, limit = self._first_trials().index(number), self.max_configurations
        return position if limit is None or position < limit else None

    def _with_values(self, trial: optuna.Trial) -> optuna.Trial | None:
        """Draw a trial's values, and enqueue the trials of its configuration's other seeds.

        Two machines that ask at the same time may exceed the budget by a trial: None.
        """
        is_first = "configuration" not in trial.user_attrs
        position = self._position(trial.number) if is_first else 0
        if position is None:
            trial.set_user_attr("surplus", True)
            self.study.tell(trial, state=TrialState.FAIL)
            return None
        self.study.sampler = self._sampler(position, "")
        _ = trial.relative_params  # drawn together, before any of them is stored
        sampler_of = lambda name: self._sampler(position, name)  # noqa: E731
        values = space.suggest(trial, self.config, self.is_integer, sampler_of)
        if is_first:
            seeds = self.config.seeds or (None,)
            trial.set_user_attr("values", values)
            trial.set_user_attr("seed", seeds[0])
            enqueued = [
                t for t in self.trials() if t.user_attrs.get("configuration") == trial.number
            ]
            for seed in seeds[1 + len(enqueued) :]:
                attributes = {"configuration": trial.number, "seed": seed, "values": values}
                self.study.enqueue_trial(trial.params, user_attrs=attributes)
        return trial

    def _sampler(self, position: int, name: str) -> optuna.samplers.BaseSampler:
        """Return a sampler seeded by the sweep's seed, a configuration and a parameter."""
        seed = random.Random(f"{self.config.seed} {position} {name}").getrandbits(32)
        if self.grid is not None:
            values = self.grid[position] if 0 <= position < len(self.grid) else {}
            fixed = {key: space.encode_choice(value) for key, value in values.items()}
            return optuna.samplers.PartialFixedSampler(fixed, optuna.samplers.RandomSampler(seed))
        if self.config.method != "tpe":
            return optuna.samplers.RandomSampler(seed)
        conditional = any(parameter.when for parameter in self.config.parameters.values())
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=conditional)

    # -- outcomes ----------------------------------------------------------------------------

    def finish(self, trial: optuna.Trial, score: float, **notes: Any) -> None:
        self._tell(trial, TrialState.COMPLETE, score, notes)

    def fail(self, trial: optuna.Trial, reason: str, **notes: Any) -> None:
        self._tell(trial, TrialState.FAIL, None, notes | {"reason": reason})

    def prune(self, trial: optuna.Trial, reason: str, **notes: Any) -> None:
        self._tell(trial, TrialState.PRUNED, None, notes | {"reason": reason})

    def _tell(
        self, trial: optuna.Trial, state: TrialState, score: float | None, notes: dict[str, Any]
    ) -> None:
        if not self.leases.is_own(trial.number):  # this machine slept and another took over
            return
        for key, value in notes.items():
            trial.set_user_attr(key, value)
        with quiet_optuna():
            trial.study.tell(trial, score, state=state)

    def should_prune(self, trial: optuna.Trial, evaluation: int, score: float) -> bool:
        """Report an intermediate score; return whether to stop the trial."""
        with quiet_optuna():
            stored = trial.study._storage.get_trial(trial._trial_id)
            if evaluation not in stored.intermediate_values:
                trial.report(score, evaluation)
            return self.config.prune is not None and trial.should_prune()

    def pruned_sibling(self, trial: optuna.Trial) -> int | None:
        """Return a trial of the same configuration that was stopped early."""
        configuration = trial.user_attrs.get("configuration", trial.number)
        for result in self.results():
            if result.configuration == configuration and result.state == "PRUNED":
                return result.number
        return None

    # -- results -----------------------------------------------------------------------------

    def trials(self, **filters: Any) -> list[FrozenTrial]:
        """Return Optuna's trials, without those beyond the budget."""
        trials = self.study.get_trials(deepcopy=False, **filters)
        return [trial for trial in trials if not trial.user_attrs.get("surplus")]

    def results(self) -> list[Result]:
        return [to_result(trial) for trial in self.trials()]
