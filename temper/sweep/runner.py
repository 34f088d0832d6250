"""Run the trials of a study in worker processes side by side until none is left."""

import math
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing import connection, get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import optuna

from temper.core.errors import InputError
from temper.sweep import child_processes, worker, workspace
from temper.sweep.start import Sweep
from temper.sweep.study import Study

POLL_S = 0.5
STORE_S = 5.0  # between two times of work that are stored
SPAWN = get_context("spawn")


def run(
    sweep: Sweep, study: Study, jobs: int, devices: Sequence[str], show: Callable[[], None]
) -> None:
    """Run trials until the budget is used and none is unfinished; `show` is called repeatedly.

    Raises:
        InputError: a worker cannot run trials.
    """

    def start(index: int) -> SpawnProcess:
        device = devices[index % len(devices)] if devices else ""
        running = {trial._trial_id for trial in study.running()}
        own = [trial_id for trial_id in interrupted[index::jobs] if trial_id in running]
        return start_worker(sweep, index, device, own, deadline)

    work, minutes = WorkTime(study), sweep.config.budget.minutes
    deadline = math.inf if minutes is None else time.time() + 60 * minutes - work.seconds()
    interrupted = disown_interrupted(study)
    jobs = int(min(jobs, max(study.num_left(), len(interrupted))))
    processes: list[SpawnProcess] = []
    try:
        processes += map(start, range(jobs))
        while unfinished := [process.sentinel for process in processes if process.exitcode != 0]:
            connection.wait(unfinished, POLL_S)
            for index, process in enumerate(processes):
                if process.exitcode:
                    fail_trial(sweep, study, process, sweep.worker(index).with_suffix(".log"))
                    processes[index] = start(index)
            show()
            work.store(STORE_S)
    finally:
        stop(sweep, processes)
        work.store()


def start_worker(sweep: Sweep, *arguments: Any) -> SpawnProcess:
    """Start a worker; `arguments` are the others of `worker.main`."""
    process = SPAWN.Process(target=worker.main, args=(sweep, *arguments))
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # it inherits this: see `stop`
    process.start()
    signal.signal(signal.SIGINT, handler)
    return process


def disown_interrupted(study: Study) -> list[int]:
    """Return the ids of the trials of this folder that were running when it was left.

    They wait without an owner: a new worker may get the process id of the one that ran a trial.
    """
    own = {} if study.config.storage is None else {"folder": study.folder}
    interrupted = [trial._trial_id for trial in study.running(**own)]
    study.heartbeat(interrupted)
    for trial_id in interrupted:
        study.note(optuna.Trial(study.optuna, trial_id), process=None)
    return interrupted


class WorkTime:
    """How long this folder has worked on a sweep, in this run and earlier ones."""

    def __init__(self, study: Study):
        self.study, self.key = study, f"seconds:{study.folder}"
        self.started = self.stored = time.time()
        self.earlier_s = study.optuna.user_attrs.get(self.key, 0.0)

    def seconds(self) -> float:
        return self.earlier_s + time.time() - self.started

    def store(self, interval_s: float = 0.0) -> None:
        """Store it in the study, unless that was done less than an interval ago."""
        if time.time() >= self.stored + interval_s:
            self.study.optuna.set_user_attr(self.key, self.seconds())
            self.stored = time.time()


def fail_trial(sweep: Sweep, study: Study, process: SpawnProcess, log: Path) -> None:
    """Fail the trial of a worker that was killed.

    Raises:
        InputError: it had none, or ended by itself: it cannot run trials.
    """
    trials = study.running(folder=study.folder, process=process.pid)
    reason = f"its worker exited with status {process.exitcode}"
    if not trials or process.exitcode == 1:
        lines = (
            log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        )
        raise InputError(f"a worker cannot run trials: {(lines or [reason])[-1]}; see {log}")
    for trial in trials:
        log = sweep.log(trial.number)
        study.tell(optuna.Trial(study.optuna, trial._trial_id), "FAIL", reason=reason, log=str(log))


def stop(sweep: Sweep, processes: Sequence[SpawnProcess]) -> None:
    """Stop the workers, whose trainings write checkpoints, and remove their worktrees."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(child_processes.PATIENCE_S + 5)
        process.kill()
    for index in range(len(processes)):
        workspace.remove(sweep.root, sweep.worker(index))
