"""Threads, instruction set and network are what params.yaml says, in a stage and its children."""

import json
import os
import subprocess
import sys

import pytest

from temper.core import determinism
from tests.helpers.workspace import ROOT

FACTS = """
import json, os
from temper import params
from temper.core import determinism
chosen = params.load().determinism
determinism.prepare(chosen)
determinism.configure(chosen, 0)
import numpy, onnxruntime, sklearn, torch
from threadpoolctl import threadpool_info
facts = determinism.environment()
facts["pools"] = sorted({pool["num_threads"] for pool in threadpool_info()})
facts["hash"] = hash("temper")
print(json.dumps(facts))
"""

PREPARE = """
import os
from types import SimpleNamespace
from temper.core import determinism
determinism.prepare(SimpleNamespace(num_threads=2, portable=True, deterministic=True))
print([os.environ.get(name) for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")])
"""
TRAIN = """
import hashlib, torch
torch.manual_seed(0)
torch.set_num_threads(2)
network = torch.nn.TransformerEncoderLayer(64, 4, 256, dropout=0.1)
optimizer = torch.optim.AdamW(network.parameters())
for _ in range(20):
    network(torch.randn(64, 8, 64)).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()
weights = torch.nn.utils.parameters_to_vector(network.parameters())
print(hashlib.sha256(weights.detach().numpy().tobytes()).hexdigest())
"""


def facts(folder, **variables):
    """Return what a process of a stage finds under params.yaml."""
    (folder / "facts.py").write_text(FACTS)
    command = [sys.executable, "facts.py"]
    env = os.environ | {"PYTHONPATH": str(ROOT)} | variables
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 3])
def test_every_library_obeys_the_number_of_threads(write_params, tmp_path, count):
    """The machine and its variables do not matter."""
    write_params(determinism__num_threads=count)
    found = facts(tmp_path, OMP_NUM_THREADS="7", OMP_DYNAMIC="true", OMP_THREAD_LIMIT="1")
    assert found["torch.num_threads"] == str(count)
    assert found["pools"] == [count]


@pytest.mark.slow
def test_portable_pins_the_instruction_set_and_prepare_the_hash_seed(write_params, tmp_path):
    """Any x86-64 machine uses AVX2 kernels; without it the machine's variable applies."""
    write_params()
    one, other = (
        facts(tmp_path, PYTHONHASHSEED="5", NPY_ENABLE_CPU_FEATURES="X86_V4"),
        facts(tmp_path, PYTHONHASHSEED="6", NPY_DISABLE_CPU_FEATURES="X86_V3"),
    )
    assert one == other
    assert one["torch.cpu_capability"] == "AVX2"
    assert one["numpy.cpu_features"] == "X86_V3"
    assert one["blas"] == "openblas Haswell"
    assert "avx2" in one["cpu_flags"].split()
    assert one["torch.deterministic_algorithms"] == "true"
    write_params(determinism__portable=False, determinism__deterministic=False)
    found = facts(tmp_path, ATEN_CPU_CAPABILITY="default")
    assert found["torch.cpu_capability"] == "DEFAULT"
    assert found["torch.deterministic_algorithms"] == "false"


def output(code, **variables):
    """Return what a process prints that has these variables and no others of OpenMP."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    command, env = [sys.executable, "-c", code], inherited | variables
    return subprocess.run(
        command, cwd=ROOT, env=env, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, [determinism.SPIN_COUNT, None]),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, [None, "ACTIVE"]),
        ({"GOMP_SPINCOUNT": "5"}, ["5", None]),
    ],
)
def test_waiting_threads_spin_shortly_unless_the_user_says(variables, expected):
    """A variable of the user's is kept, also where it leaves the count to libgomp."""
    assert output(PREPARE, **variables) == f"{expected}\n"


@pytest.mark.slow
def test_how_long_threads_spin_changes_no_byte():
    """Weights are the same with libgomp's default, without spinning, and with ours."""
    counts = ("300000", "0", determinism.SPIN_COUNT)
    assert len({output(TRAIN, GOMP_SPINCOUNT=count) for count in counts}) == 1


@pytest.mark.parametrize(
    ("changes", "stage", "expected"),
    [
        (("", ""), "stages.tokenize", ["2", "0", "1"]),
        (("", ""), "stages.download", ["2", "0", None]),
        (("num_threads: 2", "num_threads: two"), "stages.tokenize", [None, None, None]),
    ],
)
def test_a_stage_starts_with_its_variables(write_params, tmp_path, changes, stage, expected):
    """Except where params.yaml is wrong, which the stage says."""
    write_params()
    file = tmp_path / "params.yaml"
    file.write_text(file.read_text().replace(*changes))
    names = ("OMP_NUM_THREADS", "PYTHONHASHSEED", "HF_HUB_OFFLINE")
    env = {name: value for name, value in os.environ.items() if name not in names}
    code = f"import json, os; print(json.dumps([os.environ.get(name) for name in {names}]))"
    command = [sys.executable, "-m", "temper.core.run", "-c", code, stage]
    done = subprocess.run(command, env=env | {"PYTHONPATH": str(ROOT)}, capture_output=True)
    assert json.loads(done.stdout) == expected


def test_the_network_is_refused_after_download():
    """A connection beyond loopback is an error that names the host."""
    code = (
        "from temper.core import determinism; determinism.refuse_network(); import socket;"
        "s = socket.socket(); s.settimeout(1)\n"
        "try: s.connect(('192.0.2.1', 80))\n"
        "except PermissionError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "asked for 192.0.2.1" in done.stdout
