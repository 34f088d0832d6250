"""A worker process as the sweep sees it: requests go in, responses come out, or it has died."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from temper.core.errors import InputError
from temper.repo import with_own_tools
from temper.sweep import child_processes
from temper.sweep.sweep_config import SweepConfig
from temper.sweep.trial_monitor import TrialMonitor

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True, kw_only=True)
class SweepContext:
    """What is the same for every worker and trial of a sweep."""

    config: SweepConfig
    tree: dict[str, Any]  # params.yaml when the sweep started
    root: Path
    folder: Path  # sweeps/<name>
    baseline: str  # commit that the experiments build on
    commit: str  # the baseline with the uncommitted changes of then


class WorkerHandle:
    """A worker process and the trial it runs.

    Args:
        context: of the sweep.
        index: of the worker; its worktree is `worker-<index>`.
        env: environment variables to add.
    """

    def __init__(self, context: SweepContext, index: int, env: dict[str, str]):
        self.index, self.folder = index, context.folder / f"worker-{index}"
        self.log = self.folder.with_suffix(".log")
        self.buffer, self.is_ready = b"", False
        self.trial: optuna.Trial | None = None
        self.monitor: TrialMonitor | None = None
        self.stop_reason, self.stop_requested_at = "", 0.0  # of the trial
        child_processes.kill_in(self.folder)
        arguments = (context.root, self.folder, context.baseline, context.commit)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "temper.sweep.worker", *map(str, arguments)],
                cwd=context.root,
                env=with_own_tools(os.environ | env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    @property
    def output(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def send(self, request: dict[str, Any]) -> None:
        """Send a request; if the worker is dead, `receive` says so."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()

    def receive(self) -> list[dict[str, Any]] | None:
        """Return the responses that have arrived; None where the worker has died.

        Raises:
            InputError: it died before it was ready.
        """
        data = os.read(self.output.fileno(), 65536)
        if not data:
            self._check_start()
            child_processes.kill_in(self.folder)
            return None
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        responses = [json.loads(line) for line in lines]
        self.is_ready = self.is_ready or {"ready": True} in responses
        return [response for response in responses if "ready" not in response]

    def _check_start(self) -> None:
        self.process.wait()
        if not self.is_ready:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise InputError(f"a worker failed to start: {(lines or ['?'])[-1]}; see {self.log}")
