"""The reason of a failed trial is the stage's own, and DVC's only where the stage said nothing."""

import pytest

from temper.sweep.worker import failure_reason

STARTED = "Running stage 'train':\n> python -m stages.train\n"
FAILED = "Traceback (most recent call last):\n  …\ndvc.exceptions.ReproductionError: failed\n"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("error: too few rows\n", "too few rows"),
        ("Traceback (most recent call last):\n…\nKeyError: 'x'\n", "KeyError: 'x' (exited with 9)"),
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
