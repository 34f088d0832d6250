"""Which engine an export is predicted from."""

import json
import os
import subprocess
import sys

import pytest

from temper.export import mlflow_model
from temper.prediction import engines
from tests.helpers.workspace import ROOT


@pytest.mark.parametrize(
    ("generation", "engine"), [(None, "onnx"), ({"num_beams": 1}, "torch"), ({}, "torch")]
)
def test_texts_are_written_by_torch(tmp_path, generation, engine):
    """It is many times as fast as the graph; an MLflow model has to bring it then."""
    config = {"temper": {"evaluate": {"generation": generation}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "onnx").mkdir()
    assert engines.choose_engine(tmp_path, "auto") == engine
    assert engines.choose_engine(tmp_path, "int8") == "int8"
    assert engines.needs_torch(tmp_path) == (engine == "torch")
    required = mlflow_model.requirements(tmp_path)
    assert any(line.startswith("torch==") for line in required) == (engine == "torch")


def test_onnx_runtime_leaves_nothing_at_home(tmp_path):
    """It would keep a number of the machine there, and send it with statistics to its makers."""
    home = tmp_path / "home"
    home.mkdir()
    names = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    variables = {name: value for name, value in os.environ.items() if name not in names}
    code = "from temper import inference; inference.import_onnxruntime()"
    command = [sys.executable, "-c", code]
    known = variables | {"HOME": str(home), "PYTHONPATH": str(ROOT)}
    subprocess.run(command, env=known, check=True)
    assert list(home.iterdir()) == []
