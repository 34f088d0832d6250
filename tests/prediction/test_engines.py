"""Which engine an export is predicted from."""

import json

import pytest

from temper.export import mlflow_model
from temper.prediction import engines


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
