"""`temper sweep -j`: each worker gets a GPU."""

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
