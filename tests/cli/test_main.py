"""The `temper` command: help without heavy imports, errors without a traceback."""

import subprocess
import sys
from importlib import import_module

import pytest
from typer.testing import CliRunner

from temper.cli import main
from temper.core.errors import InputError
from tests.helpers.checks import examine
from tests.helpers.workspace import ROOT


def test_help_imports_no_heavy_library():
    """Every command is listed."""
    code = (
        "import sys; from typer.testing import CliRunner; from temper.cli import main; "
        "print(CliRunner().invoke(main.app, ['--help']).output, *sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"check", "summary", "predict", "push"} <= set(out)
    assert not {"torch", "transformers", "datasets", "pyarrow", "mlflow", "sklearn"} & set(out)


def test_input_error_exits_with_status_1(write_params, monkeypatch, capsys):
    """It prints one message on stderr; TEMPER_DEBUG=1 raises the error itself."""
    examine(write_params, train__launch="x")
    monkeypatch.setattr(sys, "argv", ["temper", "check"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: 1 mistake; nothing was run\n  params.yaml:")
    monkeypatch.setenv("TEMPER_DEBUG", "1")
    with pytest.raises(InputError):
        main.main()


@pytest.mark.parametrize("name", main.COMMANDS)
def test_help_of_a_command_begins_with_its_line_of_the_list(name):
    """The list of commands is written apart from their functions, which it does not import."""
    function = getattr(import_module(f"temper.cli.{name}"), name)
    assert main.COMMANDS[name] == function.__doc__.splitlines()[0]


@pytest.mark.parametrize("name", main.COMMANDS)
def test_ctrl_c_is_one_line_and_status_130(name, monkeypatch, capsys):
    """Typer alone would say nothing."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"temper.cli.{name}.{name}", interrupted)
    monkeypatch.setattr(sys, "argv", ["temper", name])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted; rerun the same command to resume\n"


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_says_what_its_options_are(name):
    """Its signature is one that Typer can read."""
    result = CliRunner().invoke(main.app, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert f" {name} " in result.output
    assert "--help" in result.output


def test_another_clone_is_told_that_its_code_is_not_run(tmp_path, monkeypatch, capsys):
    """One environment is active, and the command is run in another clone."""
    for folder, is_told in ((ROOT, False), (tmp_path, False), (tmp_path / "clone", True)):
        (tmp_path / "clone/temper").mkdir(parents=True, exist_ok=True)
        (tmp_path / "clone/temper/__init__.py").touch()
        monkeypatch.chdir(folder)
        main.warn_of_another_clone()
        text = f"the code of {ROOT}, and the stages run that of {tmp_path / 'clone'}: activate"
        assert (text in capsys.readouterr().err) == is_told
