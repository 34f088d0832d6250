"""Which engine an export is predicted from."""

import json

import pytest

from temper.export import mlflow_model
from temper.params.schema import Generation
from temper.prediction import engines


@pytest.mark.parametrize(
    ("changes", "engine"),
    [
        ({}, "onnx"),
        ({"num_beams": 3}, "torch"),
        ({"no_repeat_ngram_size": 2}, "torch"),
        (None, "onnx"),
    ],
)
def test_beam_search_is_done_by_torch(tmp_path, capsys, changes, engine):
    """The graph decodes greedily; an MLflow model has to bring torch then."""
    options = {"max_new_tokens": 8, "num_beams": 1, "length_penalty": 1.0}
    settings = None if changes is None else Generation(**options | changes)
    generation = settings and settings.model_dump(exclude_defaults=True)
    config = {"temper": {"evaluate": {"generation": generation}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "onnx").mkdir()
    assert engines.choose_engine(tmp_path, "auto") == engine
    assert engines.choose_engine(tmp_path, "int8") == "int8"
    assert engines.needs_torch(tmp_path) == (engine == "torch")
    assert ("decodes greedily" in capsys.readouterr().err) == (engine == "torch")
    required = mlflow_model.requirements(tmp_path)
    assert any(line.startswith("torch==") for line in required) == (engine == "torch")
