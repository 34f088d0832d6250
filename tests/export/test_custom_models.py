"""Custom classes, heads and encodings are exported, and served as they were trained."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from temper.cli import predict
from temper.export import mlflow_model
from tests.helpers import stage_runs
from tests.helpers.custom_code import CODE
from tests.helpers.tables import read_csv, write_csv
from tests.helpers.training import MLP, trained


def answers(parameters):
    """Train, evaluate and export; return the rows that predict adds to the test file."""
    trained(parameters)
    stage_runs.evaluate()
    stage_runs.export()
    return {engine: predicted(engine) for engine in ("onnx", "torch")}


def predicted(engine):
    predict.predict(
        model=Path("data/export"), input=Path("tests/data/test.csv"), output=Path("scored.csv"),
        engine=engine, batch_tokens=128, num_threads=1, trust_code=True,
    )  # fmt: skip
    return [(row["prediction"], float(row["score"])) for row in read_csv("scored.csv")]


@pytest.mark.slow
def test_custom_class_is_trained_exported_and_served(mine):
    """temper owns the loss, ONNX and torch agree, and the card says what cannot load it."""
    parameters = mine(model__custom_class="mine.Bag", train__learning_rate=0.05)
    rows = answers(parameters)
    assert [p for p, _ in rows["onnx"]] == [p for p, _ in rows["torch"]]
    assert [s for _, s in rows["onnx"]] == pytest.approx([s for _, s in rows["torch"]], abs=1e-4)
    assert load_file("data/model/model.safetensors")["backbone.embeddings.weight"].shape[1] == 16
    card = Path("data/export/README.md").read_text()
    assert "transformers does not know this model's head" in card
    assert "library_name: temper" in card
    assert Path("data/export/code/mine.py").read_text() == CODE


@pytest.mark.slow
def test_pooled_head_is_exported_and_served(prepare):
    """MLflow serves it with fused attention; transformers refuses the export."""
    import mlflow
    import onnx
    import pandas as pd
    from transformers import pipeline

    parameters = prepare(model__head=MLP)
    rows = answers(parameters)
    mlflow_model.save(Path("data/export"), Path("served"), parameters.task)
    frame = pd.read_csv("tests/data/test.csv")[["sentence1", "sentence2"]]
    assert "torch==" not in Path("served/requirements.txt").read_text()
    found = mlflow.pyfunc.load_model("served").predict(frame)
    assert found["prediction"].tolist() == [p for p, _ in rows["onnx"]]
    assert found["score"].tolist() == pytest.approx([s for _, s in rows["onnx"]], abs=1e-5)
    assert [s for _, s in rows["onnx"]] == pytest.approx([s for _, s in rows["torch"]], abs=1e-4)
    graph = onnx.load("data/export/onnx/model.onnx")
    assert any(node.op_type == "Attention" for node in graph.graph.node)
    with pytest.raises(ValueError, match="temper"):
        pipeline("text-classification", model="data/export")


@pytest.mark.slow
def test_custom_encoding_is_used_in_training_predict_and_serving(mine, monkeypatch, tmp_path):
    """A changed last word changes no answer of a model that never sees it."""
    import mlflow
    import pandas as pd

    parameters = mine(tokenize__encode="mine.shout", train__epochs=1.0)
    rows = answers(parameters)
    mlflow_model.save(Path("data/export"), Path("served"), parameters.task)
    requirements = Path("served/requirements.txt").read_text()
    assert f"\ntorch=={torch.__version__.partition('+')[0]}\n" in requirements  # mine.py has it
    assert "+" not in requirements
    changed = [
        row | {n: row[n].rsplit(" ", 1)[0] + " zzz" for n in ("sentence1", "sentence2")}
        for row in read_csv("tests/data/test.csv")
    ]
    write_csv("tests/data/test.csv", changed)
    assert predicted("onnx") == rows["onnx"]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    frame = pd.DataFrame(changed)[["sentence1", "sentence2"]]
    found = mlflow.pyfunc.load_model("../served").predict(frame)
    assert found["prediction"].tolist() == [p for p, _ in rows["onnx"]]
