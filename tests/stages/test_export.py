"""An export agrees with the trained model and has the same bytes each time."""

from pathlib import Path

import numpy as np
import pytest

from stages import train
from temper import inference
from temper.core import arrow, artifacts
from temper.core.errors import InputError
from temper.export import graphs, parity
from tests.helpers import stage_runs
from tests.helpers.export import score


@pytest.mark.slow
def test_pipeline_onnx_and_torch_agree(exported):
    """transformers' pipeline and both engines of predict answer the test texts alike."""
    from transformers import pipeline

    text = Path("tests/data/test.csv").read_text(encoding="utf-8")
    rows = score(exported, text)
    torch_rows = score(exported, text, engine="torch")
    classify = pipeline("text-classification", model=str(exported), top_k=None)
    for row, other in zip(rows, torch_rows, strict=True):
        answer = classify({"text": row["sentence1"], "text_pair": row["sentence2"]})
        expected = {f"score_{found['label']}": found["score"] for found in answer}
        for name, value in expected.items():
            assert float(row[name]) == pytest.approx(value, abs=1e-3)
            assert float(other[name]) == pytest.approx(value, abs=1e-4)
        assert row["prediction"] == max(expected, key=expected.__getitem__).removeprefix("score_")


@pytest.mark.slow
def test_the_parity_report_and_the_card_say_what_was_measured(exported):
    """The card has the numbers of metrics.json, and the Hub's parser reads it."""
    from huggingface_hub import ModelCard

    found = artifacts.read_json(exported / "parity.json")
    assert found["rows"] == 32
    assert found["onnx_tolerance"] == parity.TOLERANCE
    assert found["int8_max_score_drop"] == train.params.load().export.max_score_drop
    card = ModelCard.load(exported / "README.md")
    metrics = artifacts.read_json(Path("data/evaluation/metrics.json"))
    (result,) = [
        r
        for r in card.data.eval_results
        if r.dataset_split == "test" and r.metric_type == "accuracy"
    ]
    assert result.metric_value == metrics["test"]["accuracy"]
    assert card.data.pipeline_tag == "text-classification"
    assert f"{metrics['test']['accuracy']:.3f}" in card.text
    facts = artifacts.read_json(Path("data/raw/summary.json"))
    assert facts["splits"]["train"]["sha256"] in card.text


@pytest.mark.slow
def test_the_size_is_counted(exported):
    """Parameters and files are counted again, and multiply-adds by the sizes of the matrices."""
    from safetensors import numpy

    found = artifacts.read_json(exported / "size.json")
    weights = numpy.load_file(exported / "model.safetensors")
    assert found["parameters"] == sum(tensor.size for tensor in weights.values())
    files = [*exported.glob("*.safetensors"), *exported.rglob("*.onnx")]
    assert found["bytes"] == {f.relative_to(exported).as_posix(): f.stat().st_size for f in files}
    config = artifacts.read_json(exported / "config.json")
    layers, h, f = (config[k] for k in ("num_hidden_layers", "hidden_size", "intermediate_size"))
    lengths = sorted(arrow.load(Path("data/tokenized"))["validation"]["length"])
    n = lengths[len(lengths) // 2]
    projections, attention = n * (4 * h * h + 2 * h * f), 2 * n * n * h
    pooler_and_head = h * h + 2 * h
    assert found["macs"] == layers * (projections + attention) + pooler_and_head


@pytest.mark.slow
def test_two_exports_have_the_same_bytes(exported):
    """The folder does not matter."""
    stage_runs.export(Path("elsewhere/deep/export"))
    assert artifacts.sha256_tree(Path("elsewhere/deep/export")) == artifacts.sha256_tree(exported)
    for path in exported.rglob("*"):
        if path.is_file():
            assert str(Path.cwd()).encode() not in path.read_bytes(), path


@pytest.mark.slow
def test_a_perturbed_graph_fails(exported):
    """One tensor is a little off, and the stage says by how much and where."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(exported / "onnx/model.onnx"))
    (tensor,) = [t for t in graph.graph.initializer if t.name.endswith("classifier.bias")]
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + 0.01, tensor.name))
    onnx.save(graph, "off.onnx")
    data, parameters = arrow.load(Path("data/tokenized"))["validation"], train.params.load()
    model = graphs.load_predictor(Path("data/model"), parameters, "torch")
    task, predictor = model.task, inference.torch_forward(model.model, model.task, reduce=False)
    whole, off = (
        inference.onnx_forward(inference.onnx_session(str(file), 2), task, reduce=False)
        for file in (exported / "onnx/model.onnx", "off.onnx")
    )
    largest, outputs = parity.check_onnx(predictor, whole, data, model.collate, task)
    assert largest < 1e-3
    expected = model.outputs(data, ("logits",), 0)["logits"]
    assert np.stack(outputs) == pytest.approx(np.stack(expected), abs=1e-4)
    with pytest.raises(InputError, match=r"differ by 0\.01 in row \d+, allowed are 0\.001"):
        parity.check_onnx(predictor, off, data, model.collate, task)
