"""What a user can mend is one line and status 1; an interrupt is one line and status 130."""

import errno
import io
import mmap
import sys

import numpy as np
import pytest
import torch
import yaml

from temper.core import errors
from temper.core.errors import InputError


def shown(capsys, error):
    """Return the exit status and what is printed when a command ends with an error."""
    with pytest.raises(SystemExit) as exited, errors.exit_on_input_error():
        raise error
    return exited.value.code, capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("a: b"), "error: a: b"),
        (PermissionError(errno.EACCES, "Permission denied", "params.yaml"),
         "error: params.yaml: Permission denied"),
        (OSError(errno.EROFS, "Read-only file system", "data"), "error: data: Read-only file sys"),
        (OSError(errno.EFBIG, "File too large"), "error: cannot write "),
    ],
)  # fmt: skip
def test_one_line_and_status_1(capsys, error, line):
    """Also what the system says of a file."""
    status, (only,) = shown(capsys, error)
    assert status == 1
    assert only.startswith(line)


def no_room_of_python():
    """Ask Python for more than there is."""
    bytearray(2**62)


def no_room_of_numpy():
    """Ask numpy."""
    np.empty(2**58)


def no_room_of_torch():
    """Ask torch."""
    torch.empty(2**58)


def no_room_of_the_system():
    """Ask the kernel."""
    mmap.mmap(-1, 2**62)


@pytest.mark.parametrize(
    "allocate", [no_room_of_python, no_room_of_numpy, no_room_of_torch, no_room_of_the_system]
)
def test_memory_that_ran_out_is_one_line(capsys, allocate):
    """Whoever asked for it."""
    with pytest.raises((MemoryError, RuntimeError, OSError)) as raised:
        allocate()
    status, (only,) = shown(capsys, raised.value)
    assert status == 1
    assert only.startswith("error: out of memory (")
    assert only.endswith("a machine with more memory")


def test_interrupt_is_one_line_of_the_main_process(capsys, monkeypatch):
    """The other processes of a training are silent."""
    line = "interrupted; rerun the same command to resume"
    assert shown(capsys, KeyboardInterrupt()) == (130, [line])
    monkeypatch.setenv("RANK", "1")
    assert shown(capsys, KeyboardInterrupt()) == (130, [])


@pytest.mark.parametrize("error", [ValueError("x"), ConnectionError("no answer")])
def test_other_errors_keep_their_traceback(error):
    """They are faults of the program."""
    with pytest.raises(type(error)), errors.exit_on_input_error():
        raise error


def test_debugging_shows_the_traceback(monkeypatch):
    """`TEMPER_DEBUG=1` is for those who look for the place."""
    monkeypatch.setenv("TEMPER_DEBUG", "1")
    with pytest.raises(InputError), errors.exit_on_input_error():
        raise InputError("a")


@pytest.fixture
def failed_stage(tmp_path, monkeypatch):
    """Be in a stage whose output DVC removed; return DVC's cache, which has it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "train")
    stage = {"outs": [{"path": "data/model", "md5": "abcdef.dir"}]}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"stages": {"train": stage}}))
    cached = tmp_path / "cache/files/md5/ab/cdef.dir"
    cached.parent.mkdir(parents=True)
    cached.touch()
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho {tmp_path}/cache\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    return cached


def test_failed_stage_says_how_to_get_its_last_output_back(failed_stage, capsys):
    """DVC removes a stage's outputs before it runs it."""
    _, (_, hint) = shown(capsys, InputError("a"))
    assert hint == (
        "DVC removed data/model before this run; to restore the last: dvc checkout train"
    )


@pytest.mark.parametrize("change", ["not cached", "still there", "another rank", "no lock", "new"])
def test_no_hint_where_it_would_not_help(failed_stage, tmp_path, monkeypatch, capsys, change):
    """The command would fail, or restore nothing."""
    if change == "not cached":
        failed_stage.unlink()
    elif change == "still there":
        (tmp_path / "data/model").mkdir(parents=True)
    elif change == "another rank":
        monkeypatch.setenv("RANK", "1")
    elif change == "no lock":
        (tmp_path / "dvc.lock").unlink()
    else:
        monkeypatch.setenv("DVC_STAGE", "export")
    assert shown(capsys, InputError("a")) == (1, ["error: a"])


def test_letters_that_the_encoding_lacks_are_escaped(monkeypatch):
    """As in a locale of Latin-1: a label of a data set is printed by every stage."""
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", stream)
    with errors.exit_on_input_error():
        print("gut für 良い", flush=True)
    assert written.getvalue() == "gut für \\u826f\\u3044\n".encode("latin-1")
