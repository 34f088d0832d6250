"""A process that only runs ONNX does not wait for torch."""

import subprocess
import sys

import torch

from temper.cli.without_torch import without_torch
from tests.helpers.workspace import ROOT

PROGRAM = """
import sys
from importlib.util import find_spec
from temper.cli.without_torch import without_torch
with without_torch():
    from transformers import AutoConfig, AutoTokenizer
    AutoConfig.from_pretrained(sys.argv[1])
    print(AutoTokenizer.from_pretrained(sys.argv[1])("he opened it")["input_ids"])
assert "torch" not in sys.modules
assert find_spec("torch")
"""


def test_a_tokenizer_and_a_config_load_without_torch():
    """Nothing is said about it, and torch can be imported afterwards."""
    from transformers import AutoTokenizer

    folder = str(ROOT / "data/sample/model")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    expected = AutoTokenizer.from_pretrained(folder)("he opened it")["input_ids"]
    assert done.stdout == f"{expected}\n"


def test_a_process_that_has_torch_keeps_it():
    """Models of transformers work in it, before and after."""
    with without_torch():
        assert sys.modules["torch"] is torch
    assert sys.modules["torch"] is torch
