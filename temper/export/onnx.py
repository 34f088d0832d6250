"""A transformers model → ONNX with fused attention, and int8 ONNX, the same bytes every time."""

import copy
import logging
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper.inference import import_onnxruntime
from temper.tasks.base import Task
from temper.tasks.base.arrays import Batch

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn
    from transformers import PretrainedConfig

OPSET = 17
TOKEN_AXES = {0: "batch", 1: "tokens"}
CHOICE_AXES = {0: "batch", 1: "choices", 2: "tokens"}
DYNAMIC_AXES = {  # by name and number of axes, of inputs that are not (batch, tokens)
    ("pixel_values", 4): {0: "batch"},
    **{(name, 3): {0: "batch"} for name in ("input_values", "input_features")},  # spectrograms
    ("decoder_input_ids", 2): {0: "batch", 1: "target_tokens"},
    **{(name, 3): CHOICE_AXES for name in ("input_ids", "attention_mask", "token_type_ids")},
}
FUSED_DOMAIN = "com.microsoft"  # of the fused nodes; the quantizer needs it declared
FUSION_TYPES = {  # transformers' model type → ONNX Runtime's
    "bert": "bert",
    "roberta": "bert",
    "distilbert": "bert",
    "xlm-roberta": "bert",
}


def write(model: "nn.Module", task: Task, sample: Batch, target: Path) -> None:
    """Export a model to one ONNX file with dynamic axes for text, its output `task.output_name`.

    The keys of the sample, a collated batch, become the inputs, in their order.
    """
    import onnx
    import torch

    exported: Any = copy.deepcopy(model).eval().float()
    # the backbone's config, under any head
    config = getattr(exported.base_model, "config", exported.config)
    config._attn_implementation = "eager"
    inputs = {name: torch.from_numpy(v) for name, v in sample.items() if name != "labels"}
    axes = {name: DYNAMIC_AXES.get((name, v.ndim), TOKEN_AXES) for name, v in inputs.items()}
    axes[task.output_name] = {0: "batch"}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        path = Path(folder) / "model.onnx"
        with torch.no_grad():
            torch.onnx.export(
                _logits_module(exported, task, list(inputs)),
                tuple(inputs.values()),
                str(path),
                input_names=list(inputs),
                output_names=[task.output_name],
                dynamic_axes=axes,
                opset_version=OPSET,
                dynamo=False,
            )
        graph = fuse(path, config)
    strip(graph)
    onnx.save(graph, str(target))


def fuse(path: Path, config: "PretrainedConfig") -> "ModelProto":
    """Return the graph with attention, layer norm and GELU as single nodes, where known."""
    import onnx

    import_onnxruntime()
    from onnxruntime.transformers import optimizer

    fusion_type = FUSION_TYPES.get(config.model_type)
    if fusion_type is None:
        return onnx.load(str(path))
    logging.getLogger("onnxruntime.transformers").setLevel(logging.ERROR)
    optimized = optimizer.optimize_model(
        str(path),
        model_type=fusion_type,
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        opt_level=0,
        use_gpu=False,
    ).model
    if all(opset.domain != FUSED_DOMAIN for opset in optimized.opset_import):
        optimized.opset_import.append(onnx.helper.make_opsetid(FUSED_DOMAIN, 1))
    return optimized


def quantize(source: Path, target: Path) -> None:
    """Write weights as int8, one scale per output channel, in seven bits.

    Products of eight bits overflow on a CPU without VNNI
    (docs/adr/0043-seven-bits-of-int8.md). One scale per tensor moves logits three times as far.
    """
    import onnx

    import_onnxruntime()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(str(source))
    del graph.graph.value_info[:]
    logging.getLogger().setLevel(logging.ERROR)  # the quantizer warns on the root logger
    with tempfile.TemporaryDirectory() as folder:
        float_path, int8_path = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
        onnx.save(graph, str(float_path))
        quantize_dynamic(
            str(float_path),
            str(int8_path),
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
        graph = onnx.load(str(int8_path))
    strip(graph)
    onnx.save(graph, str(target))


def strip(graph: "ModelProto") -> None:
    """Remove doc strings, metadata and stack traces: they hold paths of the machine."""
    graph.doc_string = ""
    graph.graph.doc_string = ""
    del graph.metadata_props[:]
    for node in graph.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]


def _logits_module(model: "nn.Module", task: Task, input_names: Sequence[str]) -> "nn.Module":
    """Return a module that takes the named inputs by position and returns logits alone."""
    import torch

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *values: Any) -> torch.Tensor:
            inputs = dict(zip(input_names, values, strict=True))
            return task.logits(self.model(**inputs), inputs)

    return Logits()
