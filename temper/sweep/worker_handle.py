"""A worker process as the sweep sees it: orders go in, answers come out, or it has died."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temper.core.errors import InputError
from temper.sweep import child_processes
from temper.sweep.sweep_config import SweepConfig
from temper.sweep.trial_monitor import TrialMonitor


@dataclass(frozen=True, kw_only=True)
class SweepContext:
    """What every worker of a sweep is told."""

    config: SweepConfig
    tree: dict[str, Any]  # params.yaml as the sweep began with it
    root: Path
    folder: Path  # sweeps/<name>
    baseline: str
    commit: str


class WorkerHandle:
    """A worker, and the trial it has.

    Args:
        work: what it is told.
        index: of its workspace.
        more: variables of the environment.
    """

    def __init__(self, context: SweepContext, index: int, more: dict[str, str]):
        self.index, self.folder = index, context.folder / f"worker-{index}"
        self.log = self.folder.with_suffix(".log")
        self.buffer, self.is_ready = b"", False
        self.trial: Any = None
        self.monitor: TrialMonitor | None = None
        self.stopped, self.asked_at = "", 0.0  # why and when its training was asked to end
        child_processes.kill_in(self.folder)
        names = (context.root, self.folder, context.baseline, context.commit)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "temper.sweep.worker", *map(str, names)],
                cwd=context.root,
                env=os.environ | more,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    @property
    def output(self) -> Any:
        return self.process.stdout

    def give(self, order: dict[str, Any]) -> None:
        """Hand over an order; that of a dead worker is answered by `answers`."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()

    def answers(self) -> list[dict[str, Any]] | None:
        """Return what the worker has said; None where it has died.

        Raises:
            InputError: it died before it was ready.
        """
        data = os.read(self.output.fileno(), 65536)
        if not data:
            self._check_start()
            child_processes.kill_in(self.folder)
            return None
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        answers = [json.loads(line) for line in lines]
        self.is_ready = self.is_ready or {"ready": True} in answers
        return [answer for answer in answers if "ready" not in answer]

    def _check_start(self) -> None:
        self.process.wait()
        if not self.is_ready:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise InputError(f"a worker does not start: {(lines or ['?'])[-1]}; see {self.log}")
