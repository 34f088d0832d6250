"""A trial's outcome; the reason of a failure is the stage's own, or DVC's if it said nothing."""

import math
import os
import threading
from contextlib import ExitStack, nullcontext
from types import SimpleNamespace

import pytest

from temper.core.errors import InputError
from temper.sweep import worker
from temper.sweep.worker import failure_reason
from temper.tracking import database
from tests.helpers.studies import in_memory, loaded

STARTED = "Running stage 'train':\n> python -m stages.train\n"
FAILED = "Traceback (most recent call last):\n  …\ndvc.exceptions.ReproductionError: failed\n"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("error: too few rows\n", "too few rows"),
        ("Traceback (most recent call last):\n…\nKeyError: 'x'\n", "KeyError: 'x' (exited with 9)"),
        (
            "Traceback (most recent call last):\n  …\ntorch.AcceleratorError: CUDA error: assert\n"
            "Compile with TORCH_USE_CUDA_DSA\n\nTraceback (most recent call last):\n  …\n"
            "ChildFailedError: train\n",
            "torch.AcceleratorError: CUDA error: assert (exited with 9)",
        ),
        ("Traceback (most recent call last):\n…\nStopIteration\n", "StopIteration (exited with 9)"),
        ("/bin/sh: 1: python: not found\n", "/bin/sh: 1: python: not found (exited with 9)"),
        ("Killed\n  5%|▌ | 18/360\n\n", "Killed (exited with 9)"),
        ("", "exited with 9"),
    ],
)
def test_reason_is_the_last_that_the_stage_said(tmp_path, said, reason):
    """What an earlier start of the trial said is past."""
    log = tmp_path / "0.log"
    log.write_text(f"{STARTED}error: of an earlier start\n{FAILED}{STARTED}{said}")
    error = RuntimeError("failed to reproduce 'train'")
    error.__cause__ = RuntimeError("exited with 9")
    assert failure_reason(log, error) == reason


def test_a_fault_of_the_worker_is_in_its_log(tmp_path, monkeypatch):
    """Its last line names the error, and what an earlier worker said is gone."""
    log = tmp_path / "worker-0.log"
    log.write_text("error: of an earlier sweep\n")

    def fail(sweep):
        raise OSError("the database is away\nsee its manual")

    monkeypatch.setattr(worker.determinism, "set_parent_death_signal", lambda: None)
    monkeypatch.setenv("WORLD_SIZE", "1")  # of a container of a cluster, whose process 1 is temper
    monkeypatch.setattr(os, "getppid", lambda: 1)
    monkeypatch.setattr(worker.child_processes, "stop_descendants_on_sigterm", lambda: None)
    parent = SimpleNamespace(is_alive=lambda: True)
    monkeypatch.setattr(worker.multiprocessing, "parent_process", lambda: parent)
    monkeypatch.setattr(worker.start, "open_study", fail)
    sweep = SimpleNamespace(worker=lambda index: tmp_path / f"worker-{index}")
    with pytest.raises(SystemExit) as ended:
        worker.main(sweep, 0, "", (), 0.0)
    assert ended.value.code == 1
    first, *_, last = log.read_text().splitlines()
    assert (first, last) == ("Traceback (most recent call last):", "OSError: the database is away")


def test_a_crash_is_no_early_stop(tmp_path, monkeypatch):
    """Its last score, which is read once it has ended, is below the median."""
    config, _ = loaded(tmp_path)
    study = in_memory(config)
    trial = study.next()
    runner = object.__new__(worker.TrialRunner)
    runner.study = study
    runner.sweep = SimpleNamespace(root=tmp_path, log=lambda number: tmp_path / f"{number}.log")

    class Monitor(nullcontext):
        name, stop_reason, fingerprint = "s-0", "", ""

        def read(self):
            self.stop_reason = "accuracy 0.1 at evaluation 1"

    monkeypatch.setattr(worker, "TrialMonitor", lambda *_: Monitor())
    monkeypatch.setattr(worker, "redirect_output", nullcontext)
    monkeypatch.setattr(runner, "_train", lambda *_: {"reason": "out of memory"})
    runner.run(trial, ())
    (found,) = study.trials()
    assert (found.state.name, found.user_attrs["reason"]) == ("FAIL", "out of memory")


def test_no_trial_begins_without_the_lock_of_the_budget(tmp_path):
    """Two workers could take the last one."""
    (tmp_path / "next.lock").mkdir()
    study = SimpleNamespace(next=lambda: pytest.fail("a trial was claimed"))
    sweep = SimpleNamespace(folder=tmp_path)
    with pytest.raises(InputError, match=r"cannot lock \S+/next\.lock: Is a directory"):
        next(worker.trials(sweep, study, (), math.inf))


def test_a_trial_says_that_it_waits_for_another_that_prepares(tmp_path, monkeypatch, capsys):
    """Which may download and tokenize for an hour, in a sweep of another name."""
    monkeypatch.setattr(database, "QUIET_S", 0.2)
    lock = tmp_path / "sweeps/preparing.lock"
    runner = SimpleNamespace(
        upstream_keys={"tokenize"},
        prepared_for=None,
        sweep=SimpleNamespace(root=tmp_path),
        _upstream_stages=list,
    )
    with ExitStack() as held:
        held.enter_context(database.locked(lock))
        releasing = threading.Timer(1, held.pop_all().close)
        releasing.start()
        worker.TrialRunner._prepare(runner, {"tokenize.max_length": 8})
        releasing.join()
    assert capsys.readouterr().err == f"waiting: process {os.getpid()} holds {lock}\n"
    assert runner.prepared_for == {"tokenize.max_length": 8}
