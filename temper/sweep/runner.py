"""A study → its trials, run by workers side by side until none is left."""

import fcntl
import os
import selectors
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from temper.sweep import child_processes, space
from temper.sweep.results import as_result
from temper.sweep.study import Study
from temper.sweep.sweep_run import SweepRun, place
from temper.sweep.trial_monitor import TrialMonitor
from temper.sweep.worker_handle import SweepContext, WorkerHandle
from temper.sweep.workspace import remove

TICK_S = 0.2  # between two looks at the journals


class Runner:
    """Runs trials until the budget is used and none is left over.

    Args:
        work: what the workers are told.
        study: says which trial is next.
        parent: the run above the trials' runs.
        jobs: most workers.
        devices: of each worker, as CUDA_VISIBLE_DEVICES; [] leaves it alone.
        show: called with the workers, again and again.
    """

    def __init__(
        self,
        context: SweepContext,
        study: Study,
        sweep_run: SweepRun,
        jobs: int,
        devices: list[str],
        show: Callable[..., None],
    ):
        self.context, self.study, self.jobs, self.devices = context, study, jobs, devices
        self.show, self.config, self.sweep_run = show, context.config, sweep_run
        self.slots: dict[int, WorkerHandle] = {}
        self.has_ended = False
        self.selector = selectors.DefaultSelector()
        self.clock = f"seconds:{study.leases.folder}"
        self.before_s = study.study.user_attrs.get(self.clock, 0.0)
        self.started = time.monotonic()

    # -- the loop ----------------------------------------------------------------------------

    def run(self) -> None:
        """Run what is left of the sweep.

        Raises:
            InputError: a worker does not start.
        """
        with ended_by_sigterm():
            try:
                while self._has_work():
                    self._step()
                self.study.study.set_user_attr(self.clock, self.elapsed_s)
                self.show(self.slots.values(), ended=True)
            finally:
                self.close()
        for worker in self.slots.values():
            remove(self.context.root, worker.folder)

    def _step(self) -> None:
        self._fill()
        self.show(self.slots.values(), ended=self.has_ended)
        self.has_ended = False
        for key, _ in self.selector.select(TICK_S):
            self._read(key.data)
        for worker in self.slots.values():
            self._watch(worker)
        if self.study.leases.beat():
            self.study.study.set_user_attr(self.clock, self.elapsed_s)

    @property
    def elapsed_s(self) -> float:
        """Return how long this folder's processes have worked on the sweep."""
        return self.before_s + time.monotonic() - self.started

    @property
    def in_time(self) -> bool:
        minutes = self.config.budget.minutes
        return minutes is None or self.elapsed_s < 60 * minutes

    def _has_work(self) -> bool:
        """Tell whether a trial runs, here or elsewhere, or one can still begin."""
        if any(worker.trial is not None for worker in self.slots.values()):
            return True
        return self.study.is_running() or (self.in_time and self.study.has_open())

    def _fill(self) -> None:
        """Give every idle worker a trial; start workers as long as there are trials for them."""
        for worker in self.slots.values():
            while worker.is_ready and worker.trial is None:
                trial = self.study.next(begin=self.in_time)
                if trial is None:
                    return
                self._begin(worker, trial)
        starting = any(not worker.is_ready for worker in self.slots.values())
        wanted = not self.slots or (self.in_time and self.study.has_open())
        if len(self.slots) < self.jobs and not starting and wanted:
            self._start(len(self.slots))

    def _start(self, index: int) -> None:
        more = {}
        if self.devices:
            more["CUDA_VISIBLE_DEVICES"] = self.devices[index % len(self.devices)]
        if self.jobs > 1:
            more["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
        worker = self.slots[index] = WorkerHandle(self.context, index, more)
        self.selector.register(worker.output, selectors.EVENT_READ, worker)

    def _read(self, worker: WorkerHandle) -> None:
        """Take in what a worker says; where it has died, start another in its place."""
        answers = worker.answers()
        for answer in answers or ():
            self._end(worker, answer)
        if answers is None:
            self.selector.unregister(worker.output)
            if worker.trial is not None:
                self._end(worker, {"reason": f"its worker died: {worker.process.returncode}"})
            self._start(worker.index)

    def close(self) -> None:
        """Stop the workers, whose trainings write checkpoints; give back what is not finished."""
        alive = [s.process for s in self.slots.values() if s.process.poll() is None]
        for process in alive:
            process.terminate()
        child_processes.wait_for(alive, child_processes.PATIENCE_S + 5)
        self.study.leases.give_back()

    # -- trials ------------------------------------------------------------------------------

    def _begin(self, worker: WorkerHandle, trial: Any) -> None:
        """Hand a trial to a worker, unless it is over already."""
        known, name = as_result(trial._get_latest_trial()), f"{self.config.name}-{trial.number}"
        values = known.values | ({} if known.seed is None else {"seed": known.seed})
        first, metric = known.notes.get("first_step"), self.config.metric
        worker.monitor = TrialMonitor(self.context.root / "tracking", name, metric, first)
        worker.trial, worker.stopped = trial, known.notes.get("stopped", "")
        sibling = self.study.pruned_sibling(trial) if self.config.num_seeds > 1 else None
        if sibling is not None:
            worker.stopped = f"trial {sibling}, another seed of it, was stopped early"
        message = space.problem(space.with_values(self.context.tree, values))
        if worker.stopped:
            self._end(worker, {})
        elif message:
            self._end(worker, {"reason": f"{space.as_text(values)}: {message}"})
        else:
            variables = {
                "DVC_EXP_NAME": name,
                "DVC_EXP_BASELINE_REV": self.context.baseline,
                "TEMPER_SWEEP": self.config.name,
                "TEMPER_PARENT_RUN": self._parent_run(),
            }
            order = {"name": name, "values": values, "metric": metric, "environment": variables}
            worker.give(order | {"log": self._log(trial)})

    def _parent_run(self) -> str:
        """Return the id of the run above; written down, so that a later start goes on with it."""
        runs, found = self.study.study.user_attrs.get("runs", {}), self.sweep_run.run_id
        if found and runs.get(place()) != found:
            self.study.study.set_user_attr("runs", runs | {place(): found})
        return found

    def _log(self, trial: Any) -> str:
        return str(self.context.folder / "logs" / f"{trial.number}.log")

    def _watch(self, worker: WorkerHandle) -> None:
        """Read how a trial is doing; ask it to stop where it is hopeless."""
        if worker.trial is None or worker.monitor is None:
            return
        first = worker.monitor.first_step
        for number, score in worker.monitor.new_scores():
            hopeless = self.study.is_hopeless(worker.trial, number, score)
            if hopeless and not worker.stopped:
                worker.stopped = f"{self.config.metric} {score:.4g} at evaluation {number}"
                worker.trial.set_user_attr("stopped", worker.stopped)
        if first is None and worker.monitor.first_step is not None:
            worker.trial.set_user_attr("first_step", worker.monitor.first_step)
        if worker.stopped and time.monotonic() - worker.asked_at > child_processes.AGAIN_S:
            worker.asked_at = time.monotonic()
            child_processes.ask_to_stop(worker.process.pid)

    def _end(self, worker: WorkerHandle, answer: dict[str, Any]) -> None:
        """Write down what became of a trial."""
        trial, monitor = worker.trial, worker.monitor
        assert monitor is not None
        monitor.new_scores()  # the training's fingerprint, where it was quick
        notes = {
            "where": f"{socket.gethostname()}:{self.context.root}",
            "log": self._log(trial),
            "elapsed_s": round(answer.get("elapsed_s", 0.0), 3),
        }
        if "score" in answer:
            self.study.finish(trial, answer["score"], rev=answer["rev"], **notes)
        elif worker.stopped:
            self.study.prune(trial, worker.stopped, **notes)
        else:
            self.study.fail(trial, answer["reason"], **notes)
        if "score" in answer or worker.stopped:
            self._drop_checkpoints(monitor.fingerprint)
        worker.trial, worker.monitor, worker.stopped = None, None, ""
        self.has_ended = True

    def _drop_checkpoints(self, fingerprint: str) -> None:
        """Remove a training's working checkpoints, unless another process is using them."""
        folder = self.context.root / "checkpoints" / fingerprint[:16]
        if not fingerprint or not folder.exists():
            return
        with (folder / "lock").open("a") as handle, suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Leave the block with exit status 143 on SIGTERM."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
