"""Where ONNX is required, `temper check` traces the network before it is trained."""

import re
from pathlib import Path

from temper.export import onnx
from tests.helpers.checks import examine, only

CODE = """
import torch


class Moody(torch.nn.Module):
    \"\"\"Gives other logits to longer batches, which a trace does not see.\"\"\"

    def __init__(self, config):
        super().__init__()
        self.embeddings = torch.nn.Embedding(config.vocab_size, 8)
        self.classifier = torch.nn.Linear(8, config.num_labels)

    def forward(self, input_ids, attention_mask, **_):
        logits = self.classifier(self.embeddings(input_ids).mean(1))
        return logits if len(input_ids) > 1 else logits + 1
"""


def test_a_graph_that_agrees_is_a_fact(write_params):
    """Nothing else is traced: without `required`, such a model is exported without ONNX."""
    mistakes, facts = examine(write_params, export__onnx="required")
    assert not mistakes
    assert facts["onnx"] == "the untrained network's graph agrees on 8 rows"
    assert "onnx" not in examine(write_params)[1]


def test_a_graph_that_disagrees_is_a_mistake(write_params):
    """The message has the key, its line and the difference."""
    write_params()  # makes and enters the folder
    Path("own.py").write_text(CODE)
    changes = {"model__custom_class": "own.Moody", "code": {"own": "own.py"}}
    mistake = only(examine(write_params, export__onnx="required", **changes)[0])
    pattern = r"params\.yaml:\d+: export\.onnx: required, but untrained, the ONNX model does not"
    assert re.match(pattern, mistake)


def test_an_operator_without_onnx_is_a_mistake(write_params, monkeypatch):
    """What the exporter raises is in the message."""

    def fail(*_):
        raise RuntimeError("no operator x")

    monkeypatch.setattr(onnx, "write", fail)
    mistake = only(examine(write_params, export__onnx="required")[0])
    assert "export.onnx: required, and the untrained network has no ONNX: " in mistake
    assert "no operator x" in mistake
