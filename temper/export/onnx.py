"""A transformers model → ONNX with fused attention, and int8 ONNX; no byte depends on the place."""

import copy
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from temper.tasks.base import Task

OPSET = 17
TEXT = {0: "batch", 1: "tokens"}
CHOICES = {0: "batch", 1: "choices", 2: "tokens"}
AXES = {  # of inputs, by name and number of axes, that are no rows of tokens
    ("pixel_values", 4): {0: "batch"},
    ("decoder_input_ids", 2): {0: "batch", 1: "target_tokens"},
    **{(name, 3): CHOICES for name in ("input_ids", "attention_mask", "token_type_ids")},
}
FUSED_DOMAIN = "com.microsoft"  # of the fused nodes; the quantizer wants it declared
FUSED = {"bert": "bert", "roberta": "bert", "distilbert": "bert", "xlm-roberta": "bert"}


def write(model: Any, task: Task, sample: dict[str, np.ndarray], target: Path) -> None:
    """Export `model` to one ONNX file with dynamic axes for text, its output `logits`.

    Args:
        model: on the CPU; exported with eager attention, which is what the fusions know.
        task: makes logits of the model's outputs.
        sample: a collated batch; its keys become the inputs, in their order.
        target: the file.
    """
    import onnx
    import torch

    model = copy.deepcopy(model).eval().float()
    config = getattr(model.base_model, "config", model.config)  # of the backbone, under any head
    config._attn_implementation = "eager"
    inputs = {name: torch.from_numpy(v) for name, v in sample.items() if name != "labels"}
    axes = {name: AXES.get((name, values.ndim), TEXT) for name, values in inputs.items()}
    axes["logits"] = {0: "batch"}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        path = Path(folder) / "model.onnx"
        with torch.no_grad():
            torch.onnx.export(
                _logits_only(model, task, list(inputs)),
                tuple(inputs.values()),
                str(path),
                input_names=list(inputs),
                output_names=["logits"],
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
        graph = fuse(path, config)
    strip(graph)
    onnx.save(graph, str(target))


def fuse(path: Path, config: Any) -> Any:
    """Return the graph with attention, layer norm and GELU as single nodes, where known."""
    import onnx
    from onnxruntime.transformers import optimizer

    kind = FUSED.get(config.model_type)
    if kind is None:
        return onnx.load(str(path))
    logging.getLogger("onnxruntime.transformers").setLevel(logging.ERROR)
    found = optimizer.optimize_model(
        str(path),
        model_type=kind,
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        opt_level=0,
        use_gpu=False,
    )
    if all(used.domain != FUSED_DOMAIN for used in found.model.opset_import):
        found.model.opset_import.append(onnx.helper.make_opsetid(FUSED_DOMAIN, 1))
    return found.model


def quantize(source: Path, target: Path) -> None:
    """Write weights as int8, one scale per output channel (FACTS 47: 0.10 in place of 0.30)."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(str(source))
    del graph.graph.value_info[:]
    logging.getLogger().setLevel(logging.ERROR)  # it warns on the root logger
    with tempfile.TemporaryDirectory() as folder:
        plain, done = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
        onnx.save(graph, str(plain))
        quantize_dynamic(
            str(plain),
            str(done),
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
        graph = onnx.load(str(done))
    strip(graph)
    onnx.save(graph, str(target))


def strip(graph: Any) -> None:
    """Remove what says where and when: doc strings, metadata, stack traces (FACTS 4)."""
    graph.doc_string = ""
    graph.graph.doc_string = ""
    del graph.metadata_props[:]
    for node in graph.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]


def _logits_only(model: Any, task: Task, names: list[str]) -> Any:
    """Return a module that takes the named inputs by position and returns logits alone."""
    import torch

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *values: Any) -> Any:
            inputs = dict(zip(names, values, strict=True))
            return task.logits(self.model(**inputs), inputs)

    return Logits()
