"""Follow a trial while it trains: its validation scores go to Optuna, which may stop it."""

import json
import os
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna

from temper.sweep import child_processes
from temper.sweep.storage import HEARTBEAT_S
from temper.sweep.study import Study

POLL_S = 0.2  # between two reads of the journal


class TrialMonitor:
    """Reads the journal of a trial in `tracking/`; as a context in a thread, with heartbeats.

    They are also of the trials that this process resumes next, whose ids are `waiting`.
    """

    def __init__(self, study: Study, trial: optuna.Trial, folder: Path, waiting: Sequence[int]):
        self.study, self.trial, self.folder = study, trial, folder
        self.name = f"{study.config.name}-{trial.number}"
        self.trial_ids = [trial._trial_id, *waiting]
        self.first_step = trial.user_attrs.get("first_step")  # of the first evaluation
        self.stop_reason, self.fingerprint = trial.user_attrs.get("stopped", ""), ""
        self.offsets: dict[Path, int] = {}  # bytes read so far; -1: another trial's journal
        self.pending: list[dict[str, Any]] = []  # records that are not yet reported
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._follow)

    def __enter__(self) -> "TrialMonitor":
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.ended.set()
        self.thread.join()

    def _follow(self) -> None:
        last_heartbeat = last_request = 0.0
        while not self.ended.wait(POLL_S):
            try:
                self.read()
                if time.monotonic() - last_heartbeat > HEARTBEAT_S:
                    last_heartbeat = time.monotonic()
                    self.study.heartbeat(self.trial_ids)
            except Exception:  # the database may be away for a while
                traceback.print_exc()
            if self.stop_reason and time.monotonic() - last_request > child_processes.RETRY_S:
                last_request = time.monotonic()
                child_processes.request_stop(os.getpid())

    def read(self) -> None:
        """Report the scores since the last call to Optuna; after an error the next call goes on."""
        self._read_journals()
        while self.pending:
            self._report(self.pending[0])
            del self.pending[0]

    def _report(self, record: dict[str, Any]) -> None:
        """Report the score of a record, if it has one.

        Evaluations are counted rather than steps, whose number depends on the batch size.
        """
        metric = self.study.config.metric
        step, score = record.get("step"), record.get("metrics", {}).get(f"validation/{metric}")
        if score is None or not step:
            return
        if self.first_step is None:
            self.study.note(self.trial, first_step=step)
            self.first_step = step
        evaluation = max(1, round(step / self.first_step))
        should_prune = self.study.should_prune(self.trial, evaluation, score)
        if should_prune and not self.stop_reason:
            reason = f"{metric} {score:.4g} at evaluation {evaluation}"
            self.study.note(self.trial, stopped=reason)
            self.stop_reason = reason

    def _read_journals(self) -> None:
        """Add the complete lines that the trial's journals have since the last call."""
        for path in sorted(self.folder.glob("*.jsonl")):
            offset = self.offsets.setdefault(path, 0)
            if offset < 0:
                continue
            data = b""
            with suppress(FileNotFoundError), path.open("rb") as file:  # or uploaded and deleted
                file.seek(offset)
                data = file.read()
            lines = data[: data.rfind(b"\n") + 1].splitlines()
            if offset == 0 and lines:
                tags = json.loads(lines[0]).get("tags", {})
                if tags.get("dvc.exp_name") != self.name:
                    self.offsets[path] = -1
                    continue
                self.fingerprint = tags.get("fingerprint", "")
            self.offsets[path] += sum(len(line) + 1 for line in lines)
            self.pending += map(json.loads, lines)
