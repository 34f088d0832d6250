"""Commands, variables and git's refusals are named before anything runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from temper import params
from temper.check import data_checks, environment_checks
from temper.cli import check
from temper.core.errors import InputError
from tests.helpers.checks import examine, only


def test_names_commands_that_are_not_on_the_path(write_params, monkeypatch, tmp_path):
    """The stages run `python`, and it must be the one with temper in it."""
    write_params()
    git = tmp_path / "bin/git"
    git.parent.mkdir()
    git.symlink_to("/usr/bin/git")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    dvc, python = examine(write_params)[0]
    assert dvc == f"PATH: no dvc on it; run `source {Path(sys.prefix) / 'bin/activate'}`"
    assert python.startswith("PATH: no python on it; run `source ")
    for name in ("python", "dvc"):
        (tmp_path / f"bin/{name}").write_text("#!/bin/sh\necho /usr\n")
        (tmp_path / f"bin/{name}").chmod(0o755)
    assert "python is " in only(examine(write_params)[0])
    (tmp_path / "bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    assert environment_checks.wrong_commands() == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("TEMPER_LOG_EVERY", "often", "TEMPER_LOG_EVERY is 'often'; expected a number of steps"),
        ("TEMPER_LOG_EVERY", "0", "TEMPER_LOG_EVERY is '0'; expected a number of steps, 1 or"),
        ("TEMPER_TRACKING", "no", "TEMPER_TRACKING is 'no'; expected on or off"),
        ("TEMPER_REPORT_TO", "tensorbord", "TEMPER_REPORT_TO: tensorbord: unknown (did you mean"),
        ("TEMPER_REPORT_TO", "clearml", "TEMPER_REPORT_TO: clearml is not installed"),
        ("TEMPER_TRAKING", "off", "TEMPER_TRAKING: no such variable (did you mean 'TEMPER_TRACK"),
    ],
)
def test_names_wrong_variables(write_params, monkeypatch, name, value, message):
    """Also one that is misspelled, which nothing would read."""
    monkeypatch.setenv(name, value)
    assert only(examine(write_params)[0]).startswith(message)


def test_says_that_there_are_more_threads_than_cores(write_params):
    """It is no mistake: the bytes are the same."""
    assert "threads" not in examine(write_params, determinism__num_threads=1)[1]
    mistakes, facts = examine(write_params, determinism__num_threads=999)
    assert mistakes == []
    assert facts["threads"].startswith("determinism.num_threads: 999 threads share ")


def test_names_the_owner_that_git_refuses(write_params, monkeypatch):
    """The message has git's way out."""
    write_params()
    subprocess.run(["git", "init", "-q"], check=True)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    mistake = only(examine(write_params)[0])
    assert mistake.startswith("git refuses this repository for its owner in repository")
    assert "git config --global --add safe.directory" in mistake


def test_a_fault_of_a_check_is_one_line(write_params, monkeypatch):
    """It says that it is no mistake of the user's, and the other checks go on."""

    def fault(*_):
        raise RuntimeError("a bad\nday")

    write_params(train__launch="singel")
    Path("dvc.yaml").write_text("stages: {}\n")
    monkeypatch.setattr(data_checks, "check", fault)
    with pytest.raises(InputError) as raised:
        check.check()
    assert "no launch/singel.yaml" in str(raised.value)
    assert (
        "temper check could not check the data: RuntimeError: a bad day; this is a fault of "
        "temper, and TEMPER_DEBUG=1 shows where"
    ) in str(raised.value)
    monkeypatch.setattr(params, "load", fault)
    with pytest.raises(InputError, match=r"could not check params\.yaml: RuntimeError: a bad day"):
        check.check()


def test_debugging_shows_the_traceback(write_params, monkeypatch):
    """TEMPER_DEBUG=1 raises what a check did not foresee."""
    parameters = write_params()
    monkeypatch.setenv("TEMPER_DEBUG", "1")
    monkeypatch.setattr(data_checks, "check", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        check.examine(parameters)
