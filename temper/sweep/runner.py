"""Run the trials of a study with workers side by side until none is left."""

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
from typing import TYPE_CHECKING, Any

from temper.sweep import child_processes, space
from temper.sweep.results import to_result
from temper.sweep.study import Study
from temper.sweep.sweep_run import SweepRun, store_uri
from temper.sweep.trial_monitor import TrialMonitor
from temper.sweep.worker_handle import SweepContext, WorkerHandle
from temper.sweep.workspace import remove

if TYPE_CHECKING:
    import optuna

POLL_S = 0.2  # between two reads of the trials' journals


class Runner:
    """Runs trials until the budget is used and none is unfinished.

    Args:
        context: of the sweep, for its workers.
        study: decides which trial is next.
        sweep_run: the parent of the trials' MLflow runs.
        jobs: maximum number of workers.
        devices: CUDA_VISIBLE_DEVICES of each worker; [] leaves it unset.
        show: called repeatedly with the workers.
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
        self.workers: dict[int, WorkerHandle] = {}
        self.has_ended = False  # a trial, since the last call of `show`
        self.selector = selectors.DefaultSelector()
        self.elapsed_key = f"seconds:{study.leases.folder}"
        self.earlier_s = study.study.user_attrs.get(self.elapsed_key, 0.0)
        self.started = time.monotonic()

    # -- the loop ----------------------------------------------------------------------------

    def run(self) -> None:
        """Run the rest of the sweep.

        Raises:
            InputError: a worker does not start.
        """
        with exit_on_sigterm():
            try:
                while self._has_work():
                    self._step()
                self.study.study.set_user_attr(self.elapsed_key, self.elapsed_s)
                self.show(self.workers.values(), ended=True)
            finally:
                self.close()
        for worker in self.workers.values():
            remove(self.context.root, worker.folder)

    def _step(self) -> None:
        self._assign_trials()
        self.show(self.workers.values(), ended=self.has_ended)
        self.has_ended = False
        for key, _ in self.selector.select(POLL_S):
            self._receive(key.data)
        for worker in self.workers.values():
            self._monitor(worker)
        if self.study.leases.heartbeat():
            self.study.study.set_user_attr(self.elapsed_key, self.elapsed_s)

    @property
    def elapsed_s(self) -> float:
        """Return how long the processes of this folder have worked on the sweep."""
        return self.earlier_s + time.monotonic() - self.started

    @property
    def in_time(self) -> bool:
        minutes = self.config.budget.minutes
        return minutes is None or self.elapsed_s < 60 * minutes

    def _has_work(self) -> bool:
        """Check whether a trial is running, here or elsewhere, or another can start."""
        if any(worker.trial is not None for worker in self.workers.values()):
            return True
        return self.study.is_running() or (self.in_time and self.study.has_unstarted())

    def _assign_trials(self) -> None:
        """Give every idle worker a trial; start workers while there are trials for them."""
        for worker in self.workers.values():
            while worker.is_ready and worker.trial is None:
                trial = self.study.next(begin=self.in_time)
                if trial is None:
                    return
                self._start_trial(worker, trial)
        is_starting = any(not worker.is_ready for worker in self.workers.values())
        is_needed = not self.workers or (self.in_time and self.study.has_unstarted())
        if len(self.workers) < self.jobs and not is_starting and is_needed:
            self._start_worker(len(self.workers))

    def _start_worker(self, index: int) -> None:
        env = {}
        if self.devices:
            env["CUDA_VISIBLE_DEVICES"] = self.devices[index % len(self.devices)]
        if self.jobs > 1:
            env["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
        worker = self.workers[index] = WorkerHandle(self.context, index, env)
        self.selector.register(worker.output, selectors.EVENT_READ, worker)

    def _receive(self, worker: WorkerHandle) -> None:
        """Handle a worker's responses; replace it where it has died."""
        responses = worker.receive()
        for response in responses or ():
            self._finish_trial(worker, response)
        if responses is None:
            self.selector.unregister(worker.output)
            if worker.trial is not None:
                status = worker.process.returncode
                self._finish_trial(worker, {"reason": f"its worker exited with status {status}"})
            self._start_worker(worker.index)

    def close(self) -> None:
        """Stop the workers, whose trainings write checkpoints; release unfinished trials."""
        alive = [w.process for w in self.workers.values() if w.process.poll() is None]
        for process in alive:
            process.terminate()
        child_processes.wait_or_kill(alive, child_processes.PATIENCE_S + 5)
        self.study.leases.release()

    # -- trials ------------------------------------------------------------------------------

    def _start_trial(self, worker: WorkerHandle, trial: "optuna.Trial") -> None:
        """Hand a trial to a worker, unless its outcome is known already."""
        known, name = to_result(trial._get_latest_trial()), f"{self.config.name}-{trial.number}"
        values = known.values | ({} if known.seed is None else {"seed": known.seed})
        first_step, metric = known.notes.get("first_step"), self.config.metric
        worker.monitor = TrialMonitor(self.context.root / "tracking", name, metric, first_step)
        worker.trial, worker.stop_reason = trial, known.notes.get("stopped", "")
        sibling = self.study.pruned_sibling(trial) if self.config.num_seeds > 1 else None
        if sibling is not None:
            worker.stop_reason = (
                f"trial {sibling}, another seed of this configuration, was stopped early"
            )
        error = space.validation_error(space.with_values(self.context.tree, values))
        if worker.stop_reason:
            self._finish_trial(worker, {})
        elif error:
            self._finish_trial(worker, {"reason": f"{space.format_values(values)}: {error}"})
        else:
            environment = {
                "DVC_EXP_NAME": name,
                "DVC_EXP_BASELINE_REV": self.context.baseline,
                "TEMPER_SWEEP": self.config.name,
                "TEMPER_PARENT_RUN": self._parent_run(),
            }
            request = {"name": name, "values": values, "metric": metric}
            worker.send(request | {"environment": environment, "log": self._log(trial)})

    def _parent_run(self) -> str:
        """Return the id of the sweep's MLflow run, stored so that a restart continues it."""
        runs, run_id = self.study.study.user_attrs.get("runs", {}), self.sweep_run.run_id
        if run_id and runs.get(store_uri()) != run_id:
            self.study.study.set_user_attr("runs", runs | {store_uri(): run_id})
        return run_id

    def _log(self, trial: "optuna.Trial") -> str:
        return str(self.context.folder / "logs" / f"{trial.number}.log")

    def _monitor(self, worker: WorkerHandle) -> None:
        """Report a trial's new scores to Optuna; stop its training where Optuna prunes it."""
        if worker.trial is None or worker.monitor is None:
            return
        first_step = worker.monitor.first_step
        for evaluation, score in worker.monitor.new_scores():
            should_prune = self.study.should_prune(worker.trial, evaluation, score)
            if should_prune and not worker.stop_reason:
                worker.stop_reason = f"{self.config.metric} {score:.4g} at evaluation {evaluation}"
                worker.trial.set_user_attr("stopped", worker.stop_reason)
        if first_step is None and worker.monitor.first_step is not None:
            worker.trial.set_user_attr("first_step", worker.monitor.first_step)
        since_request = time.monotonic() - worker.stop_requested_at
        if worker.stop_reason and since_request > child_processes.RETRY_S:
            worker.stop_requested_at = time.monotonic()
            child_processes.request_stop(worker.process.pid)

    def _finish_trial(self, worker: WorkerHandle, response: dict[str, Any]) -> None:
        """Store the outcome of a worker's trial."""
        trial, monitor = worker.trial, worker.monitor
        assert trial is not None
        assert monitor is not None
        monitor.new_scores()  # reads the training's fingerprint, if that was quick
        notes = {
            "where": f"{socket.gethostname()}:{self.context.root}",
            "log": self._log(trial),
            "elapsed_s": round(response.get("elapsed_s", 0.0), 3),
        }
        if "score" in response:
            self.study.finish(trial, response["score"], rev=response["rev"], **notes)
        elif worker.stop_reason:
            self.study.prune(trial, worker.stop_reason, **notes)
        else:
            self.study.fail(trial, response["reason"], **notes)
        if "score" in response or worker.stop_reason:
            self._drop_checkpoints(monitor.fingerprint)
        worker.trial, worker.monitor, worker.stop_reason = None, None, ""
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
def exit_on_sigterm() -> Iterator[None]:
    """Leave the block with exit status 143 on SIGTERM."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
