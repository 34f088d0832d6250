"""`temper sweep -j`: each worker gets a GPU."""

import subprocess

import pytest

from temper.cli import sweep as command
from temper.core.errors import InputError
from tests.helpers.workspace import ROOT


def test_workers_get_one_gpu_each(monkeypatch):
    """They share the visible GPUs; a training that takes all of them is refused a second worker."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert command.devices(1, "single") == []
    assert command.devices(3, "single") == ["2", "3"]
    assert command.devices(2, "cpu_2") == []
    with pytest.raises(InputError, match=r"-j 2: a training with launch/fsdp\.yaml takes ev"):
        command.devices(2, "fsdp")


def test_a_gpu_is_a_line_of_nvidia_smi(monkeypatch):
    """The name of a device may contain the word too."""
    listed = "GPU 0: NVIDIA GeForce RTX 3080 Laptop GPU (UUID: GPU-1)\n  MIG 1g.5gb Device 0: (…)\n"
    done = subprocess.CompletedProcess([], 0, stdout=listed)
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert command.devices(2, "single") == ["0"]


def test_an_nvidia_smi_that_says_nothing_is_not_waited_for(tmp_path, monkeypatch):
    """Of a broken driver it hangs; without its answer all workers would take one GPU."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(command, "PATIENCE_S", 0.2)
    with pytest.raises(InputError, match="nvidia-smi -L says nothing for 0 s: set CUDA_VI"):
        command.devices(2, "single")
