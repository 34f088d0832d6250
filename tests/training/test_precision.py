"""`train.precision: auto` chooses by the machine, says so, and its choice is part of the result."""

import json
from pathlib import Path

import pytest
import torch

from temper.core import determinism
from temper.tracking import run_tags, store
from temper.training import precision
from tests.helpers import stage_runs
from tests.helpers.workspace import ROOT, link_code

NO_UNITS = "this CPU has neither amx_bf16 nor avx512_bf16"


@pytest.fixture
def machine(monkeypatch):
    """Return a function that makes this a machine with these CPU flags, and one GPU or none."""

    def be(*flags, gpu_has_bf16=None):
        monkeypatch.setattr(precision, "find_spec", lambda _: None)
        monkeypatch.setattr(determinism, "cpu_flags", lambda: set(flags))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu_has_bf16 is not None)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A card")
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: gpu_has_bf16)

    return be


@pytest.mark.parametrize(
    ("flags", "gpu_has_bf16", "portable", "expected"),
    [
        ((), True, True, ("bf16", "A card has bf16 units")),
        (("avx512_bf16",), False, False, ("fp32", "A card has no bf16 units")),
        (("avx2", "avx512f"), None, False, ("fp32", NO_UNITS)),
        (("avx2",), None, True, ("fp32", NO_UNITS)),
        (("avx2", "avx512_bf16"), None, True, ("fp32", precision.PORTABLE)),
        (("avx2", "avx512_bf16"), None, False, ("bf16", "this CPU has avx512_bf16")),
        (("avx512_bf16", "amx_bf16"), None, False, ("bf16", "this CPU has amx_bf16")),
        ((), None, False, ("fp32", "it is unknown what this CPU has")),
    ],
)
def test_auto_takes_bf16_where_there_are_units(
    write_params, machine, flags, gpu_has_bf16, portable, expected
):
    """A GPU decides before the CPU, and portable kernels have none."""
    machine(*flags, gpu_has_bf16=gpu_has_bf16)
    parameters = write_params(train__precision="auto", determinism__portable=portable)
    assert precision.choose(parameters) == expected


def test_a_launch_on_the_cpu_leaves_the_gpu_out(write_params, machine):
    """`temper check` sees the GPU that train will not."""
    machine("avx2", gpu_has_bf16=True)
    assert precision.choose(write_params(train__launch="cpu_2")) == ("fp32", NO_UNITS)


def test_auto_takes_fp32_on_xla(write_params, machine, monkeypatch):
    """Nobody has tried bf16 there."""
    machine("avx512_bf16")
    monkeypatch.setattr(precision, "find_spec", lambda _: object())
    parameters = write_params(train__precision="bf16", determinism__portable=False)
    assert precision.choose(parameters) == ("fp32", "bf16 was never tried on XLA")
    assert precision.warning(parameters) is None


@pytest.mark.parametrize("wanted", ["fp32", "bf16", "fp16"])
def test_what_is_asked_for_is_kept(write_params, machine, capsys, wanted):
    """bf16 without units is a line with the cure; nothing else is said."""
    machine("avx2")
    parameters = write_params(train__precision=wanted)
    assert precision.resolve(parameters) == (parameters, {})
    warning = f"train.precision: bf16 is slower than fp32 here, on a CPU 20 times: {NO_UNITS}; "
    said = capsys.readouterr().err
    assert said == (f"{warning}auto takes fp32\n" if wanted == "bf16" else "")
    machine("avx2", gpu_has_bf16=True)
    precision.resolve(parameters)
    assert capsys.readouterr().err == ""


def test_only_the_main_process_says_what_auto_chose(write_params, machine, capsys, monkeypatch):
    """Absent is auto, and every process gets the same precision."""
    machine("avx2")
    parameters = write_params(train__precision="auto")
    resolved, chosen = precision.resolve(parameters)
    assert (resolved.train.precision, chosen) == ("fp32", {"train.precision": "fp32"})
    assert capsys.readouterr().err == "precision: fp32 (auto)\n"
    monkeypatch.setenv("RANK", "1")
    assert precision.resolve(parameters) == (resolved, chosen)
    assert capsys.readouterr().err == ""


def test_says_why_only_where_another_choice_could_be_faster(write_params, machine, capsys):
    """Without units there is nothing to be done; a hint leads to the page about it."""
    machine("avx2", "avx512_bf16")
    said = {
        True: "fp32 (auto); determinism.portable: false may be faster here: "
        "docs/machines.md#precision",
        False: "bf16 (auto: this CPU has avx512_bf16)",
    }
    for portable, line in said.items():
        parameters = write_params(train__precision="auto", determinism__portable=portable)
        precision.resolve(parameters)
        assert capsys.readouterr().err == f"precision: {line}\n"
    assert "\n## Precision\n" in (ROOT / "docs/machines.md").read_text()


@pytest.mark.slow
def test_another_machine_trains_anew_and_its_choice_is_an_output(prepare, machine, monkeypatch):
    """The checkpoints are another folder's, and MLflow and data/history have what was chosen."""
    prepare(train__precision="auto", train__epochs=1.0, determinism__portable=False)
    link_code(Path())
    found = {}
    for name, flags in {"fp32": ["avx2"], "bf16": ["avx2", "avx512_bf16"]}.items():
        machine(*flags)
        monkeypatch.setattr(run_tags, "execution", lambda name=name: name)
        stage_runs.train()
        assert json.loads(Path("data/history/chosen.json").read_text()) == {"train.precision": name}
        found[name] = Path("data/model/model.safetensors").read_bytes()
    assert found["fp32"] != found["bf16"]
    assert len(list(Path("checkpoints").iterdir())) == 2
    runs = store.connect().search_runs([store.experiment_id(store.connect())])
    assert {run.data.params["train.precision"] for run in runs} == {"fp32", "bf16"}
    prepare(train__precision="fp32", train__epochs=1.0, determinism__portable=False)
    stage_runs.train()
    assert Path("data/model/model.safetensors").read_bytes() == found["fp32"]
    assert len(list(Path("checkpoints").iterdir())) == 2  # the same training: it is not repeated
    assert not Path("data/history/chosen.json").exists()
