"""The launcher ends as the training did, without a traceback of its own."""

import signal
import subprocess

import pytest

from temper.core import yaml_file
from temper.core.errors import InputError
from temper.training import launcher
from tests.helpers.workspace import ROOT

SINGLE = ROOT / "launch/single.yaml"


@pytest.fixture(autouse=True)
def _own_handlers():
    """Put the handler of Ctrl-C and the logging back."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)
    launcher.logging.disable(launcher.logging.NOTSET)


@pytest.mark.parametrize("status", [1, 130, 143])
def test_status_is_that_of_the_training(tmp_path, monkeypatch, status):
    """DVC prints it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "worker.py").write_text(f"raise SystemExit({status})")
    with pytest.raises(SystemExit) as exited:
        launcher.main(str(SINGLE), "-m", "worker")
    assert exited.value.code == status


def test_launch_file_is_the_one_that_params_yaml_names(write_params, monkeypatch):
    """Its name comes from there, and not through a shell."""
    write_params(train__launch="cpu_2")
    found = []
    monkeypatch.setattr(launcher, "launch", lambda *arguments: found.append(arguments) or 0)
    launcher.main("-m", "stages.train", "data/tokenized")
    ((file, arguments, variables),) = found
    assert (file, arguments) == ("launch/cpu_2.yaml", ("-m", "stages.train", "data/tokenized"))
    assert variables["PYTHONHASHSEED"] == "0"  # so the training does not start again to set it


def test_more_threads_than_cores_are_said_once(write_params, monkeypatch, capsys):
    """The launcher says it, which is one process however many train."""
    write_params(train__launch="cpu_2", determinism__num_threads=999)
    monkeypatch.setattr(launcher, "launch", lambda *_: 0)
    launcher.main("-m", "stages.train")
    assert capsys.readouterr().err.startswith("determinism.num_threads: 999 threads share ")


def test_killed_training_is_said(tmp_path, monkeypatch):
    """It could not say so itself."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "worker.py").write_text("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(InputError, match="ended by SIGKILL, as when memory runs out"):
        launcher.main(str(SINGLE), "-m", "worker")


def test_launch_file_that_accelerate_refuses(tmp_path):
    """The message has the file and accelerate's reason."""
    file = tmp_path / "odd.yaml"
    file.write_text(SINGLE.read_text() + "num_proceses: 2\n")
    with pytest.raises(InputError, match=r"odd.yaml: .*num_proceses"):
        launcher.launch(str(file), ["-m", "worker"])


def test_fsdp_settings_that_nothing_reads_are_refused(tmp_path):
    """They are, before any process starts, what `temper check` refuses."""
    file = tmp_path / "odd.yaml"
    text = (ROOT / "launch/fsdp.yaml").read_text()
    file.write_text(f"{text}  fsdp_offload_params: true\n")
    with pytest.raises(InputError, match=r"odd.yaml: fsdp_config\.fsdp_offload_params has no effe"):
        launcher.launch(str(file), ["-m", "worker"])


def test_gloo_takes_the_interface_that_leads_to_the_first_machine():
    """The name of a machine often stands for 127.0.1.1, where no other machine can reach it."""
    assert launcher.interface_to("127.0.0.1") == "lo"
    assert launcher.interface_to("not an address") is None


@pytest.mark.parametrize("name", ["single", "tpu"])
def test_one_process_starts_as_with_accelerate(monkeypatch, name):
    """Its command and its environment are what accelerate makes of the launch file."""
    from accelerate.commands import launch

    file, arguments = ROOT / f"launch/{name}.yaml", ["-m", "stages.train", "data/tokenized"]
    assert yaml_file.load(file) == launcher.ONE_PROCESS
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    parsed = launch.launch_command_parser().parse_args(["--config_file", str(file), *arguments])
    checked, *_ = launch._validate_launch_command(parsed)
    assert launcher.one_process(arguments) == launch.prepare_simple_launcher_cmd_env(checked)


def test_ctrl_c_is_left_to_the_training(monkeypatch):
    """The launcher waits for it; only where Ctrl-C is ignored, as in a sweep, it stays so."""
    found = []
    seen = lambda _: found.append(signal.getsignal(signal.SIGINT))  # noqa: E731
    monkeypatch.setattr("accelerate.commands.launch.launch_command", seen)
    for before in (signal.SIG_IGN, signal.default_int_handler):
        signal.signal(signal.SIGINT, before)
        assert launcher.launch(str(ROOT / "launch/cpu_2.yaml"), ["-m", "worker", "argument"]) == 0
    ignored, handled = found
    assert ignored is signal.SIG_IGN
    with pytest.raises(KeyboardInterrupt):
        handled(signal.SIGINT, None)
    with subprocess.Popen(["sleep", "9"]) as child:
        assert handled(signal.SIGINT, None) is None
        child.kill()
