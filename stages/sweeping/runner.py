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

from stages.sweeping import processes, space
from stages.sweeping.journal import Watched
from stages.sweeping.parent import Parent, place
from stages.sweeping.results import as_result
from stages.sweeping.slots import Slot, Work
from stages.sweeping.study import Study
from stages.sweeping.workspace import remove

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
        work: Work,
        study: Study,
        parent: Parent,
        jobs: int,
        devices: list[str],
        show: Callable[..., None],
    ):
        self.work, self.study, self.jobs, self.devices = work, study, jobs, devices
        self.show, self.plan, self.parent = show, work.plan, parent
        self.slots: dict[int, Slot] = {}
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
        for slot in self.slots.values():
            remove(self.work.root, slot.folder)

    def _step(self) -> None:
        self._fill()
        self.show(self.slots.values(), ended=self.has_ended)
        self.has_ended = False
        for key, _ in self.selector.select(TICK_S):
            self._read(key.data)
        for slot in self.slots.values():
            self._watch(slot)
        if self.study.leases.beat():
            self.study.study.set_user_attr(self.clock, self.elapsed_s)

    @property
    def elapsed_s(self) -> float:
        """Return how long this folder's processes have worked on the sweep."""
        return self.before_s + time.monotonic() - self.started

    @property
    def in_time(self) -> bool:
        minutes = self.plan.budget.minutes
        return minutes is None or self.elapsed_s < 60 * minutes

    def _has_work(self) -> bool:
        """Tell whether a trial runs, here or elsewhere, or one can still begin."""
        if any(slot.trial is not None for slot in self.slots.values()):
            return True
        return self.study.is_running() or (self.in_time and self.study.has_open())

    def _fill(self) -> None:
        """Give every idle worker a trial; start workers as long as there are trials for them."""
        for slot in self.slots.values():
            while slot.is_ready and slot.trial is None:
                trial = self.study.next(begin=self.in_time)
                if trial is None:
                    return
                self._begin(slot, trial)
        starting = any(not slot.is_ready for slot in self.slots.values())
        wanted = not self.slots or (self.in_time and self.study.has_open())
        if len(self.slots) < self.jobs and not starting and wanted:
            self._start(len(self.slots))

    def _start(self, index: int) -> None:
        more = {}
        if self.devices:
            more["CUDA_VISIBLE_DEVICES"] = self.devices[index % len(self.devices)]
        if self.jobs > 1:
            more["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
        slot = self.slots[index] = Slot(self.work, index, more)
        self.selector.register(slot.output, selectors.EVENT_READ, slot)

    def _read(self, slot: Slot) -> None:
        """Take in what a worker says; where it has died, start another in its place."""
        answers = slot.answers()
        for answer in answers or ():
            self._end(slot, answer)
        if answers is None:
            self.selector.unregister(slot.output)
            if slot.trial is not None:
                self._end(slot, {"reason": f"its worker died: {slot.process.returncode}"})
            self._start(slot.index)

    def close(self) -> None:
        """Stop the workers, whose trainings write checkpoints; give back what is not finished."""
        alive = [s.process for s in self.slots.values() if s.process.poll() is None]
        for process in alive:
            process.terminate()
        processes.wait_for(alive, processes.PATIENCE_S + 5)
        self.study.leases.give_back()

    # -- trials ------------------------------------------------------------------------------

    def _begin(self, slot: Slot, trial: Any) -> None:
        """Hand a trial to a worker, unless it is over already."""
        known, name = as_result(trial._get_latest_trial()), f"{self.plan.name}-{trial.number}"
        values = known.values | ({} if known.seed is None else {"seed": known.seed})
        first, metric = known.notes.get("first_step"), self.plan.metric
        slot.watched = Watched(self.work.root / "tracking", name, metric, first)
        slot.trial, slot.stopped = trial, known.notes.get("stopped", "")
        sibling = self.study.pruned_sibling(trial) if self.plan.num_seeds > 1 else None
        if sibling is not None:
            slot.stopped = f"trial {sibling}, another seed of it, was stopped early"
        message = space.problem(space.with_values(self.work.tree, values))
        if slot.stopped:
            self._end(slot, {})
        elif message:
            self._end(slot, {"reason": f"{space.as_text(values)}: {message}"})
        else:
            variables = {
                "DVC_EXP_NAME": name,
                "DVC_EXP_BASELINE_REV": self.work.baseline,
                "TEMPER_SWEEP": self.plan.name,
                "TEMPER_PARENT_RUN": self._parent_run(),
            }
            order = {"name": name, "values": values, "metric": metric, "environment": variables}
            slot.give(order | {"log": self._log(trial)})

    def _parent_run(self) -> str:
        """Return the id of the run above; written down, so that a later start goes on with it."""
        runs, found = self.study.study.user_attrs.get("runs", {}), self.parent.run_id
        if found and runs.get(place()) != found:
            self.study.study.set_user_attr("runs", runs | {place(): found})
        return found

    def _log(self, trial: Any) -> str:
        return str(self.work.folder / "logs" / f"{trial.number}.log")

    def _watch(self, slot: Slot) -> None:
        """Read how a trial is doing; ask it to stop where it is hopeless."""
        if slot.trial is None or slot.watched is None:
            return
        first = slot.watched.first_step
        for number, score in slot.watched.new_scores():
            hopeless = self.study.is_hopeless(slot.trial, number, score)
            if hopeless and not slot.stopped:
                slot.stopped = f"{self.plan.metric} {score:.4g} at evaluation {number}"
                slot.trial.set_user_attr("stopped", slot.stopped)
        if first is None and slot.watched.first_step is not None:
            slot.trial.set_user_attr("first_step", slot.watched.first_step)
        if slot.stopped and time.monotonic() - slot.asked_at > processes.AGAIN_S:
            slot.asked_at = time.monotonic()
            processes.ask_to_stop(slot.process.pid)

    def _end(self, slot: Slot, answer: dict[str, Any]) -> None:
        """Write down what became of a trial."""
        trial, watched = slot.trial, slot.watched
        assert watched is not None
        watched.new_scores()  # the training's fingerprint, where it was quick
        notes = {
            "where": f"{socket.gethostname()}:{self.work.root}",
            "log": self._log(trial),
            "elapsed_s": round(answer.get("elapsed_s", 0.0), 3),
        }
        if "score" in answer:
            self.study.finish(trial, answer["score"], rev=answer["rev"], **notes)
        elif slot.stopped:
            self.study.prune(trial, slot.stopped, **notes)
        else:
            self.study.fail(trial, answer["reason"], **notes)
        if "score" in answer or slot.stopped:
            self._drop_checkpoints(watched.fingerprint)
        slot.trial, slot.watched, slot.stopped = None, None, ""
        self.has_ended = True

    def _drop_checkpoints(self, fingerprint: str) -> None:
        """Remove a training's working checkpoints, unless another process is using them."""
        folder = self.work.root / "checkpoints" / fingerprint[:16]
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
