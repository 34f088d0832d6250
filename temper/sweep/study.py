"""A plan and a database → the next trial to run, each once, and what the finished ones scored.

Optuna keeps the trials. What it would draw for one depends on the plan's seed, the configuration's
number and the scores before it, never on this process: after a kill the same values come.
"""

import random
from typing import Any

from temper.sweep import space
from temper.sweep.leases import Leases
from temper.sweep.results import Result, as_result
from temper.sweep.storage import quietly
from temper.sweep.sweep_config import SweepConfig


class Study:
    """The trials of one sweep.

    Args:
        plan: of the sweep.
        storage: Optuna's.
        whole: for each parameter whether its values are whole numbers.
        leases: say which trials are this process's.
        greater: whether a greater score is better.
    """

    def __init__(
        self,
        config: SweepConfig,
        storage: Any,
        whole: dict[str, bool],
        leases: Leases,
        *,
        greater: bool,
    ):
        import optuna

        self.config, self.whole, self.leases, self.greater = config, whole, leases, greater
        self.grid = space.configurations(config.parameters) if config.method == "grid" else None
        with quietly():
            self.study = optuna.create_study(
                storage=storage,
                study_name=config.name,
                direction="maximize" if greater else "minimize",
                pruner=self._pruner(),
                load_if_exists=True,
            )
        leases.study = f"{config.name}/{self.study._study_id}"  # another one may have had the name

    def _pruner(self) -> Any:
        import optuna

        prune = self.config.prune
        if prune is None:
            return optuna.pruners.NopPruner()
        return optuna.pruners.MedianPruner(
            n_startup_trials=prune.after_trials,
            n_warmup_steps=prune.after_evaluations
            + 1,  # Optuna's first judged step; ours count from 1
        )

    @property
    def most_configurations(self) -> int | None:
        """Return how many configurations there will be; None where time alone ends the sweep."""
        trials = self.config.budget.trials
        limit = None if trials is None else trials // self.config.num_seeds
        if self.grid is None:
            return limit
        return len(self.grid) if limit is None else min(limit, len(self.grid))

    @property
    def most_trials(self) -> int | None:
        most = self.most_configurations
        return None if most is None else most * self.config.num_seeds

    # -- which trial is next -----------------------------------------------------------------

    def next(self, *, begin: bool) -> Any | None:
        """Return an Optuna trial to run, now this process's, or None where none is left to take.

        Args:
            begin: whether trials that nobody has begun may be.
        """
        with quietly():
            found = self._taken_over()
            if found is None and begin and self.has_open():
                found = self._asked()
        return found

    def is_running(self) -> bool:
        """Tell whether a trial runs, here or on another machine."""
        return bool(self.trials(states=(_state("RUNNING"),)))

    def has_open(self) -> bool:
        """Tell whether there are trials that nobody has begun."""
        most = self.most_configurations
        waiting = self.trials(states=(_state("WAITING"),))
        return bool(waiting) or most is None or len(self._leaders()) < most

    def _taken_over(self) -> Any | None:
        """Return a running trial whose process is dead."""
        import optuna

        running = self.trials(states=(_state("RUNNING"),))
        held = self.leases.current() if running else {}
        for frozen in running:
            lease = held.get(frozen.number)
            is_dead = self.leases.is_dead(frozen.number, lease)
            if is_dead and self.leases.take(frozen.number, lease):
                self.study.sampler = self._sampler(frozen.number, "")
                return self._prepared(optuna.trial.Trial(self.study, frozen._trial_id))
        return None

    def _asked(self) -> Any | None:
        """Return the next waiting trial, or a new one; None where another machine was faster."""
        self.study.sampler = self._sampler(-1, "")
        trial = self.study.ask()
        return self._prepared(trial) if self.leases.take(trial.number) else None

    def _leaders(self) -> list[int]:
        """Return the trials that are the first of their configuration."""
        return [t.number for t in self.trials() if "configuration" not in t.user_attrs]

    def _position(self, number: int) -> int | None:
        """Return which configuration a first trial is, from 0; None beyond the last."""
        position, most = self._leaders().index(number), self.most_configurations
        return position if most is None or position < most else None

    def _prepared(self, trial: Any) -> Any | None:
        """Give a trial its values, and its configuration the trials of the other seeds.

        Two machines that ask at once may make a trial more than the budget has: None.
        """
        is_first = not is_follower(trial)
        position = self._position(trial.number) if is_first else 0
        if position is None:
            trial.set_user_attr("surplus", True)
            self.study.tell(trial, state=_state("FAIL"))
            return None
        self.study.sampler = self._sampler(position, "")
        _ = trial.relative_params  # drawn together, before any of them is kept
        named = lambda name: self._sampler(position, name)  # noqa: E731
        values = space.suggest(trial, self.config, self.whole, named)
        if is_first:
            seeds = self.config.seeds or (None,)
            trial.set_user_attr("values", values)
            trial.set_user_attr("seed", seeds[0])
            others = [t for t in self.trials() if t.user_attrs.get("configuration") == trial.number]
            for seed in seeds[1 + len(others) :]:
                more = {"configuration": trial.number, "seed": seed, "values": values}
                self.study.enqueue_trial(trial.params, user_attrs=more)
        return trial

    def _sampler(self, position: int, name: str) -> Any:
        """Return a sampler whose draws follow from the plan's seed, a configuration and a name."""
        import optuna

        seed = random.Random(f"{self.config.seed} {position} {name}").getrandbits(32)
        if self.grid is not None:
            given = self.grid[position] if 0 <= position < len(self.grid) else {}
            fixed = {key: space.encoded(value) for key, value in given.items()}
            return optuna.samplers.PartialFixedSampler(fixed, optuna.samplers.RandomSampler(seed))
        if self.config.method != "tpe":
            return optuna.samplers.RandomSampler(seed)
        conditional = any(one.when for one in self.config.parameters.values())
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=conditional)

    # -- what became of it -------------------------------------------------------------------

    def finish(self, trial: Any, score: float, **notes: Any) -> None:
        self._tell(trial, "COMPLETE", score, notes)

    def fail(self, trial: Any, reason: str, **notes: Any) -> None:
        self._tell(trial, "FAIL", None, notes | {"reason": reason})

    def prune(self, trial: Any, reason: str, **notes: Any) -> None:
        self._tell(trial, "PRUNED", None, notes | {"reason": reason})

    def _tell(self, trial: Any, state: str, score: float | None, notes: dict[str, Any]) -> None:
        if not self.leases.is_mine(trial.number):  # this machine slept, another took over
            return
        for key, value in notes.items():
            trial.set_user_attr(key, value)
        with quietly():
            trial.study.tell(trial, score, state=_state(state))

    def is_hopeless(self, trial: Any, step: int, score: float) -> bool:
        """Take in a score on the way; tell whether the trial is to be stopped."""
        with quietly():
            if step not in trial.study._storage.get_trial(trial._trial_id).intermediate_values:
                trial.report(score, step)
            return self.config.prune is not None and trial.should_prune()

    def pruned_sibling(self, trial: Any) -> int | None:
        """Return a trial of the same configuration that was stopped early."""
        mine = trial.user_attrs.get("configuration", trial.number)
        for result in self.results():
            if result.configuration == mine and result.state == "PRUNED":
                return result.number
        return None

    # -- looking -----------------------------------------------------------------------------

    def trials(self, **chosen: Any) -> list[Any]:
        """Return Optuna's trials, without those that were one too many."""
        found = self.study.get_trials(deepcopy=False, **chosen)
        return [trial for trial in found if not trial.user_attrs.get("surplus")]

    def results(self) -> list[Result]:
        return [as_result(trial) for trial in self.trials()]


def is_follower(trial: Any) -> bool:
    return "configuration" in trial.user_attrs


def _state(name: str) -> Any:
    from optuna.trial import TrialState

    return TrialState[name]
