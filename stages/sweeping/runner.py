"""A study → its trials, run by workers side by side until none is left."""

import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.errors import InputError
from stages.sweeping import processes, space
from stages.sweeping.journal import Watched
from stages.sweeping.plan import Plan
from stages.sweeping.study import Study, as_result
from stages.sweeping.workspace import remove

TICK_S = 0.2  # between two looks at the journals


@dataclass(frozen=True, kw_only=True)
class Work:
    """What every worker of a sweep is told."""

    plan: Plan
    tree: dict[str, Any]  # params.yaml as the sweep began with it
    root: Path
    folder: Path  # sweeps/<name>
    baseline: str
    commit: str
    environment: dict[str, str]


@dataclass(kw_only=True)
class Slot:
    """A worker, and the trial it has."""

    index: int
    process: Any
    buffer: bytes = b""
    is_ready: bool = False
    trial: Any = None
    watched: Watched | None = None
    stopped: str = ""  # why its training was asked to end
    asked_at: float = field(default=0.0)


class Runner:
    """Runs trials until the budget is used and none is left over.

    Args:
        work: what the workers are told.
        study: says which trial is next.
        jobs: most workers.
        devices: of each worker, as CUDA_VISIBLE_DEVICES; [] leaves it alone.
        show: called with the workers, again and again.
    """

    def __init__(
        self,
        work: Work,
        study: Study,
        jobs: int,
        devices: list[str],
        show: Callable[..., None],
    ):
        self.work, self.study, self.jobs, self.devices = work, study, jobs, devices
        self.show, self.plan = show, work.plan
        self.slots: list[Slot] = []
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
                    self._fill()
                    self.show(self.slots, ended=self.has_ended)
                    self.has_ended = False
                    for key, _ in self.selector.select(TICK_S):
                        self._read(key.data)
                    for slot in self.slots:
                        self._watch(slot)
                    if self.study.leases.beat():
                        self.study.study.set_user_attr(self.clock, self.elapsed_s)
                self.study.study.set_user_attr(self.clock, self.elapsed_s)
                self.show(self.slots, ended=True)
            finally:
                self.close()
        for slot in self.slots:
            remove(self.work.root, self._folder(slot.index))

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
        if any(slot.trial for slot in self.slots):
            return True
        states = [trial.state.name for trial in self.study.trials()]
        if "RUNNING" in states:
            return True
        return self.in_time and ("WAITING" in states or self.study._has_room())

    def _fill(self) -> None:
        """Give every idle worker a trial; start workers as long as there are trials for them."""
        for slot in self.slots:
            while slot.is_ready and slot.trial is None:
                trial = self.study.next(begin=self.in_time)
                if trial is None:
                    return
                self._begin(slot, trial)
        starting = [slot for slot in self.slots if not slot.is_ready]
        if len(self.slots) < self.jobs and not starting:
            self._start(len(self.slots))

    # -- workers -----------------------------------------------------------------------------

    def _folder(self, index: int) -> Path:
        return self.work.folder / f"worker-{index}"

    def _start(self, index: int) -> None:
        folder, more = self._folder(index), {}
        processes.kill_in(folder)
        if self.devices:
            more["CUDA_VISIBLE_DEVICES"] = self.devices[index % len(self.devices)]
        if self.jobs > 1:
            more.setdefault("OMP_WAIT_POLICY", os.environ.get("OMP_WAIT_POLICY", "PASSIVE"))
        names = (self.work.root, folder, self.work.baseline, self.work.commit)
        with folder.with_suffix(".log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "stages.sweeping.worker", *map(str, names)],
                cwd=self.work.root,
                env=os.environ | self.work.environment | more,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        slot = Slot(index=index, process=process)
        self.slots[index : index + 1] = [slot]
        self.selector.register(process.stdout, selectors.EVENT_READ, slot)  # type: ignore[arg-type]

    def _read(self, slot: Slot) -> None:
        """Take in what a worker says, or that it has died."""
        data = os.read(slot.process.stdout.fileno(), 65536)
        if not data:
            return self._bury(slot)
        slot.buffer += data
        while b"\n" in slot.buffer:
            line, slot.buffer = slot.buffer.split(b"\n", 1)
            answer = json.loads(line)
            if "ready" in answer:
                slot.is_ready = True
            else:
                self._end(slot, answer)
        return None

    def _bury(self, slot: Slot) -> None:
        """Fail the trial of a worker that died, and start another in its place."""
        self.selector.unregister(slot.process.stdout)
        status = slot.process.wait()
        log = self._folder(slot.index).with_suffix(".log")
        if not slot.is_ready:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise InputError(f"a worker does not start: {(lines or ['?'])[-1]}; see {log}")
        processes.kill_in(self._folder(slot.index))
        if slot.trial is not None:
            self._end(slot, {"reason": f"its worker died with status {status}"})
        self._start(slot.index)

    def close(self) -> None:
        """Stop the workers; give back the trials that are not finished."""
        alive = [slot.process for slot in self.slots if slot.process.poll() is None]
        for process in alive:
            process.terminate()
        processes.wait_for(alive, processes.PATIENCE_S + 5)
        self.study.leases.give_back()

    # -- trials ------------------------------------------------------------------------------

    def name_of(self, trial: Any) -> str:
        return f"{self.plan.name}-{trial.number}"

    def log_of(self, trial: Any) -> Path:
        return self.work.folder / "logs" / f"{trial.number}.log"

    def _begin(self, slot: Slot, trial: Any) -> None:
        """Hand a trial to a worker, unless it is over already."""
        known, slot.trial = as_result(trial._get_latest_trial()), trial
        values = known.values | ({} if known.seed is None else {"seed": known.seed})
        slot.watched = Watched(
            self.work.root / "tracking",
            self.name_of(trial),
            self.plan.metric,
            known.notes.get("first_step"),
        )
        slot.stopped = known.notes.get("stopped", "")
        sibling = self.study.pruned_sibling(trial) if self.plan.num_seeds > 1 else None
        if sibling is not None:
            slot.stopped = f"trial {sibling}, another seed of it, was stopped early"
        if slot.stopped:
            return self._end(slot, {})
        if message := space.problem(space.with_values(self.work.tree, values)):
            return self._end(slot, {"reason": f"{space.as_text(values)}: {message}"})
        name, log = self.name_of(trial), self.log_of(trial)
        order = {
            "name": name,
            "values": values,
            "metric": self.plan.metric,
            "log": str(log),
            "environment": {
                "DVC_EXP_NAME": name,
                "DVC_EXP_BASELINE_REV": self.work.baseline,
                "TEMPER_SWEEP": self.plan.name,
            },
        }
        slot.process.stdin.write(json.dumps(order).encode() + b"\n")
        slot.process.stdin.flush()
        return None

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
        watched.new_scores()
        slot.trial = slot.watched = None
        notes = {
            "where": f"{socket.gethostname()}:{self.work.root}",
            "log": str(self.log_of(trial)),
        }
        notes |= {"elapsed_s": round(answer.get("elapsed_s", 0.0), 3)}
        if "score" in answer:
            self.study.finish(trial, answer["score"], rev=answer["rev"], **notes)
        elif slot.stopped:
            self.study.prune(trial, slot.stopped, **notes)
        else:
            self.study.fail(trial, answer["reason"], **notes)
        if "score" in answer or slot.stopped:
            self._drop_checkpoints(watched.fingerprint)
        slot.stopped, self.has_ended = "", True

    def _drop_checkpoints(self, fingerprint: str) -> None:
        """Remove a training's working checkpoints, unless another trial is using them."""
        import fcntl

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
