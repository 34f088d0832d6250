"""What is left out of the imports is there as soon as something asks for it."""

import subprocess
import sys

import pytest

from temper.models import light_imports
from tests.helpers.workspace import ROOT, environment

LEFT_OUT = ("torch._dynamo.utils", "torch._inductor", "torch.distributed.tensor._api")
LEFT_OUT += ("scipy.optimize._linprog", "scipy.stats._stats_py", "boto3.session", "peft")
START = """
import sys
from temper import params
from temper.models import light_imports
light_imports.leave_out(params.load())
import torch
from transformers.models.bert.modeling_bert import BertForSequenceClassification
"""
PRINT = f"print(*[name for name in {LEFT_OUT} if sys.modules.get(name)])"


def output(code: str, folder, **variables: str) -> str:
    """Return what a process prints that has begun with light imports."""
    command = [sys.executable, "-c", START + code]
    env = environment(PYTHONPATH=str(ROOT)) | variables
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_a_network_is_built_and_trained_without_what_is_left_out(write_params, tmp_path):
    """Also on the meta device, as transformers loads it, and by an optimizer."""
    write_params()
    code = """
from transformers import BertConfig
config = BertConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=1, vocab_size=9)
with torch.device("meta"):
    BertForSequenceClassification(config)
model = BertForSequenceClassification(config)
optimizer = torch.optim.AdamW(model.parameters())
model(input_ids=torch.ones(2, 3, dtype=int), labels=torch.tensor([0, 1])).loss.backward()
optimizer.step()
"""
    assert output(code + PRINT, tmp_path) == ""


@pytest.mark.slow
def test_what_is_left_out_comes_when_it_is_used(write_params, tmp_path):
    """A model may compile a function, match boxes or rank, although no parameter says so."""
    write_params()
    code = """
import numpy as np
from scipy.optimize import linear_sum_assignment, minimize_scalar
print(linear_sum_assignment(np.array([[2.0, 1.0], [1.0, 3.0]]))[1].tolist())
print(round(minimize_scalar(lambda x: (x - 3) ** 2).x, 3))
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
LogisticRegression().fit([[0.0], [1.0]], [0, 1])
print("scipy.stats._stats_py" in sys.modules)
print(rankdata([7, 5, 7]).tolist())
compiled = torch.compile(lambda x: 2 * x + 1, backend="aot_eager")
print(compiled(torch.ones(2)).tolist(), torch._dynamo.is_compiling())
"""
    assert output(code, tmp_path).splitlines() == [
        "[1, 0]",
        "3.0",
        "False",
        "[2.5, 1.0, 2.5]",
        "[3.0, 3.0] False",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "variables"), [({"code": {"own": "own.py"}}, {}), ({}, {"WORLD_SIZE": "2"})]
)
def test_custom_code_and_several_processes_have_all(write_params, tmp_path, changes, variables):
    """They may use anything."""
    write_params(**changes)
    found = output(PRINT, tmp_path, **variables)
    assert {"torch._dynamo.utils", "torch.distributed.tensor._api"} <= set(found.split())


@pytest.mark.slow
def test_lora_keeps_peft(write_params, tmp_path):
    """Only a training without it does as if it were not installed."""
    write_params(model__lora={"rank": 2, "alpha": 4, "dropout": 0.0})
    code = "import peft\nprint(peft.__name__)"
    assert output(code, tmp_path) == "peft"


def test_a_gpu_has_all(monkeypatch):
    """Its steps are compiled."""
    monkeypatch.setattr(light_imports, "GPUS", ())
    assert light_imports.is_one_cpu_process()
    monkeypatch.setattr(light_imports, "GPUS", (__file__,))
    assert not light_imports.is_one_cpu_process()
