"""A worker process: runs trials, one after another, in a git worktree.

DVC stays loaded between trials; the output of a trial goes to its log.
"""

import math
import multiprocessing
import os
import re
import shutil
import socket
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna

from temper import params
from temper.core import causes, determinism, errors
from temper.core.errors import InputError
from temper.repo import with_own_tools
from temper.sweep import child_processes, objective, start, workspace
from temper.sweep.start import Sweep, try_lock
from temper.sweep.study import Study
from temper.sweep.trial_monitor import TrialMonitor
from temper.sweep.workspace import STAGE
from temper.tracking import database

POLL_S = 0.5
RAISED = re.compile(  # by a stage: the first line of the error that follows a traceback
    r"^Traceback .*?^(?!dvc\.)([\w.]*Error(?::[^\n]*)?)$", re.MULTILINE | re.DOTALL
)


def main(
    sweep: Sweep, index: int, device: str, interrupted: Sequence[int], deadline: float
) -> None:
    """Run trials until none is left, the interrupted ones first; `deadline` is a Unix time."""
    determinism.set_parent_death_signal()
    parent = multiprocessing.parent_process()
    if parent is None or not parent.is_alive():
        return
    child_processes.stop_descendants_on_sigterm()
    os.environ.update(with_own_tools(os.environ))
    if device:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    folder = sweep.worker(index)
    log = folder.with_suffix(".log")
    log.unlink(missing_ok=True)  # of an earlier worker
    with redirect_output(log), exit_on_error():
        study = start.open_study(sweep)
        os.chdir(
            workspace.create(sweep.root, folder, sweep.start["baseline"], sweep.start["commit"])
        )
        runner = TrialRunner(sweep, study)
        for trial, waiting in trials(sweep, study, interrupted, deadline):
            runner.run(trial, waiting)


def trials(
    sweep: Sweep, study: Study, interrupted: Sequence[int], deadline: float
) -> Iterator[tuple[optuna.Trial, Sequence[int]]]:
    """Yield the trials that this worker runs, and the ids of those that wait for it."""
    for i, trial_id in enumerate(interrupted, 1):
        if (trial := study.claim(trial_id)) is not None:
            yield trial, interrupted[i:]
    while True:
        trial = None
        if time.time() < deadline:
            # the workers here never exceed the budget
            with database.locked(sweep.folder / "next.lock", is_required=True):
                trial = study.next()
        if trial is not None:
            yield trial, ()
        elif study.running():  # elsewhere; its machine may die
            study.heartbeat(())
            time.sleep(POLL_S)
        else:
            return


class TrialRunner:
    """Runs trials in the current folder, a worktree."""

    def __init__(self, sweep: Sweep, study: Study):
        self.sweep, self.study = sweep, study
        self.repo: Any = workspace.open_repo(sweep.root)  # DVC's decorators hide its types
        self.params_text = params.PARAMS_FILE.read_text(encoding="utf-8")
        self.prepared_for: dict[str, Any] | None = None  # values that the upstream stages ran with
        names = re.findall(r"\$\{([^}]+)\}", Path("dvc.yaml").read_text(encoding="utf-8"))
        for stage in self._upstream_stages():
            names += [key for dependency in stage.params for key in dependency.params]
        self.upstream_keys = set(names)

    def run(self, trial: optuna.Trial, waiting: Sequence[int]) -> None:
        """Run a trial, unless its outcome is known, and store what came out."""
        tracking, log = self.sweep.root / "tracking", self.sweep.log(trial.number)
        monitor = TrialMonitor(self.study, trial, tracking, waiting)
        for sibling in self.study.siblings(trial.user_attrs["configuration"]):
            if sibling.state.name == "PRUNED":
                monitor.stop_reason = (
                    f"trial {sibling.number}, another seed of this configuration, was stopped early"
                )
        outcome: dict[str, Any] = {}
        if not monitor.stop_reason:
            with redirect_output(log), monitor:
                outcome = self._train(trial, monitor.name, log)
        stop_reason = monitor.stop_reason  # a training that has ended cannot be stopped any more
        monitor.read()
        outcome |= {"where": f"{socket.gethostname()}:{self.sweep.root}", "log": str(log)}
        if "score" in outcome:
            self.study.tell(trial, "COMPLETE", **outcome)
        elif stop_reason:
            outcome["reason"] = stop_reason
            self.study.tell(trial, "PRUNED", **outcome)
        else:
            self.study.tell(trial, "FAIL", **outcome)
            return
        checkpoints = self.sweep.root / "checkpoints" / monitor.fingerprint[:16]
        if monitor.fingerprint and checkpoints.exists():
            with try_lock(checkpoints / "lock") as is_unused:
                if is_unused:
                    shutil.rmtree(checkpoints, ignore_errors=True)

    def _train(self, trial: optuna.Trial, name: str, log: Path) -> dict[str, Any]:
        """Return the score of a trial and its experiment's commit, or the reason that it failed."""
        baseline, metric = self.sweep.start["baseline"], self.sweep.config.metric
        os.environ.update(DVC_EXP_NAME=name, DVC_EXP_BASELINE_REV=baseline)
        values, seed = trial.user_attrs["values"], trial.user_attrs["seed"]
        values |= {} if seed is None else {"seed": seed}
        try:
            text = workspace.edit_params(self.params_text, values)
            params.PARAMS_FILE.write_text(text, encoding="utf-8")
            parameters = params.load()
            self._prepare(values)
            self.repo.reproduce(targets=[STAGE], single_item=True)
            history = Path(objective.HISTORY_FILE).read_text(encoding="utf-8")
            score = objective.model_score(history, parameters, metric)
            if not math.isfinite(score):
                raise InputError(f"{metric} is {score}")
            return {"score": score, "rev": workspace.commit_experiment(baseline, name)}
        except InputError as error:
            return {"reason": " ".join(str(error).split())}
        except Exception as error:  # a failed trial must not end the worker
            reason = failure_reason(log, error)
            traceback.print_exc()
            return {"reason": reason}

    def _prepare(self, values: dict[str, Any]) -> None:
        """Run the stages before training, unless the last trial here had the same values of theirs.

        One worker runs them, and the others restore their outputs from DVC's cache.
        """
        relevant = {
            key: value
            for key, value in values.items()
            if any(overlap(key, other) for other in self.upstream_keys)
        }
        if relevant != self.prepared_for:
            self.prepared_for = None
            with database.locked(self.sweep.root / "sweeps/preparing.lock"):
                if targets := [stage.addressing for stage in self._upstream_stages()]:
                    self.repo.reproduce(targets=targets)
            self.prepared_for = relevant

    def _upstream_stages(self) -> list[Any]:
        stages = self.repo.stage.collect(STAGE, with_deps=True)
        return [stage for stage in stages if stage.addressing != STAGE]


def overlap(first: str, second: str) -> bool:
    """Check whether two dotted keys are equal or one is below the other."""
    return f"{first}.".startswith(f"{second}.") or f"{second}.".startswith(f"{first}.")


def failure_reason(log: Path, error: BaseException) -> str:
    """Return the stage's own error in a trial's log, or else what it said last and DVC's error."""
    *_, error = causes.chain(error, contexts=False)  # DVC's is "failed to reproduce 'train'"
    text = log.read_text(encoding="utf-8", errors="replace")
    said = re.split("^Running stage ", text, flags=re.MULTILINE)[-1]
    lines = said.splitlines()[1:]
    if reported := [line for line in lines if line.startswith("error: ")]:
        return reported[-1].removeprefix("error: ")
    if raised := RAISED.search(said):
        return f"{raised[1]} ({error})"
    lines = [line for line in lines if line.strip() and "%|" not in line and line[:2] != "> "]
    return f"{lines[-1]} ({error})" if lines else str(error)


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Exit with status 1 on any error; the last line that is printed says which."""
    try:
        with errors.exit_on_input_error():
            yield
    except Exception as error:
        traceback.print_exc()
        print(errors.summary(error), file=sys.stderr)
        sys.exit(1)


@contextmanager
def redirect_output(log: Path) -> Iterator[None]:
    """Append the output of this process and its children to a file."""
    before = os.dup(1), os.dup(2)

    def point_at(*targets: int) -> None:
        for stream, target in zip((sys.stdout, sys.stderr), targets, strict=True):
            stream.flush()
            os.dup2(target, stream.fileno())

    with log.open("ab") as file:
        point_at(file.fileno(), file.fileno())
    try:
        yield
    finally:
        point_at(*before)
        os.close(before[0])
        os.close(before[1])
