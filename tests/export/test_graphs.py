"""ONNX that cannot be made is no reason to fail, unless it is required."""

import shutil
from pathlib import Path

import pytest

from temper.core import arrow
from temper.core.errors import InputError
from temper.export import graphs, onnx, parity


@pytest.fixture
def export(prepare):
    """Return a function that writes the graphs of a random model, with changes to `export`."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    def write(**changes):
        parameters = prepare(**{f"export__{name}": value for name, value in changes.items()})
        config = AutoConfig.from_pretrained("data/base/weights")
        AutoModelForSequenceClassification.from_config(config).save_pretrained("data/model")
        shutil.copytree("data/base/processor", "data/model", dirs_exist_ok=True)
        features = arrow.load(Path("data/tokenized"))["validation"]
        predictor = graphs.load_predictor(Path("data/model"), parameters, "torch")
        target = shutil.copytree("data/model", "export", dirs_exist_ok=True)
        verified, measured = graphs.write(predictor, features, Path(target), parameters)
        return verified, measured, sorted(path.name for path in Path("export").rglob("*.onnx"))

    return write


def fails(error):
    def fail(*_, **__):
        raise error

    return fail


REASONS = {  # an error → what the export says on every machine
    RuntimeError("no operator 'x' in /tmp/abc/model.onnx\nmore"): (
        "RuntimeError: no operator 'x' in model.onnx"
    ),
    TypeError("<object at 0x7f12345678>"): "TypeError: <object at 0x…>",
    parity.DisagreementError("they differ by 0.0123", "they differ"): "they differ",
}


@pytest.mark.parametrize("error", REASONS, ids=lambda error: type(error).__name__)
def test_auto_says_why_there_is_no_onnx(export, monkeypatch, error):
    """int8 follows; the reason has no number, path or address of the machine."""
    monkeypatch.setattr(onnx, "write", fails(error))
    assert export() == ({"no_onnx": REASONS[error]}, {}, [])
    assert not Path("export/onnx").exists()


def test_required_fails_and_off_does_not_try(export, monkeypatch):
    """The message of the failure has all numbers."""
    monkeypatch.setattr(onnx, "write", fails(InputError("they differ by 0.0123")))
    with pytest.raises(InputError, match=r"export\.onnx is required, .*: they differ by 0\.0123"):
        export(onnx="required")
    monkeypatch.setattr(onnx, "write", fails(AssertionError("tried")))
    shutil.rmtree("export")
    assert export(onnx="off", int8=False) == ({"no_onnx": "export.onnx is off"}, {}, [])


def test_a_full_disk_is_no_property_of_the_model(export, monkeypatch):
    """It ends the stage."""
    monkeypatch.setattr(onnx, "write", fails(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        export()


def test_int8_may_fail_alone(export, monkeypatch):
    """The ONNX model stays, unless it loses more of the score than allowed."""
    monkeypatch.setattr(onnx, "quantize", fails(ValueError("no such shape")))
    verified, measured, files = export()
    assert verified["no_int8"] == "ValueError: no such shape"
    assert verified["rows"] == 32
    assert measured["onnx_max_difference"] < parity.TOLERANCE
    assert files == ["model.onnx"]


def test_int8_weights_have_seven_bits(tmp_path):
    """Two products with eight bits overflow 16 bits, in which a CPU without VNNI adds them."""
    import numpy as np
    from onnx import TensorProto, helper, load, numpy_helper, save

    weights = np.random.default_rng(0).normal(size=(64, 16)).astype(np.float32)
    shapes = {"x": [None, 64], "y": [None, 16]}
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items())
    product = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph([product], "g", [x], [y], [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    save(model, str(tmp_path / "model.onnx"))
    onnx.quantize(tmp_path / "model.onnx", tmp_path / "int8.onnx")
    tensors = [
        numpy_helper.to_array(t) for t in load(str(tmp_path / "int8.onnx")).graph.initializer
    ]
    (quantized,) = (t for t in tensors if t.shape == weights.shape)
    assert quantized.dtype == np.int8
    assert np.abs(quantized.astype(int)).max() == 64
