"""A trained model and its export → what a prediction costs, the same numbers on every machine."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.prediction.predictor import Predictor
from temper.tasks.base import registry

if TYPE_CHECKING:
    from datasets import Dataset

FILE = "size.json"  # of an export; `temper compare` reads it
WEIGHTS = ("*.safetensors", "onnx/*.onnx")
COUNTED_NAMESPACES = ("aten", "prim", "prims", "profiler")  # others are kernels of other libraries
UNCOUNTED = (
    "aten.mkldnn_rnn_layer", "aten._transformer_encoder_layer_fwd",
    "aten._native_multi_head_attention", "aten.addbmm", "aten._trilinear",
)  # fmt: skip

Shape = Sequence[int]


def measure(predictor: Predictor, features: "Dataset", target: Path) -> dict[str, Any]:
    """Return the parameters, the MACs of a row of median length (None: unknown), and the bytes.

    Args:
        predictor: the trained model, of torch.
        target: the export, whose weights and graphs are listed.
    """
    row = median_row(features)
    files = [file for pattern in WEIGHTS for file in sorted(target.glob(pattern))]
    return {
        "parameters": sum(p.numel() for p in predictor.model.parameters()),  # shared ones once
        "macs": macs(predictor, features[row] | {"draw": (0, row)}),
        "bytes": {file.relative_to(target).as_posix(): file.stat().st_size for file in files},
    }


def median_row(features: "Dataset") -> int:
    """Return the number of a row of median length."""
    lengths = np.asarray(features["length"][:])
    return int(np.argsort(lengths, kind="stable")[len(features) // 2])


def macs(predictor: Predictor, feature: dict[str, Any]) -> int | None:
    """Return the multiply-accumulates of one forward pass of a row; see `count_macs`."""
    settings = predictor.settings
    tokenize = settings.tokenize.model_copy(update={"pad_to_multiple_of": None})  # for training
    task = registry.load(settings.model_copy(update={"tokenize": tokenize}))
    batch = task.collator(predictor.processor, predictor.config)([feature])
    predictor.model.requires_grad_(False)  # else the counter fails where a CRF returns its weights
    count, uncounted = count_macs(lambda: predictor.forward(batch))
    if uncounted:
        print(f"{FILE}: macs is null: torch does not count {', '.join(uncounted)}")
        return None
    return count


def count_macs(run: Callable[[], object]) -> tuple[int, list[str]]:
    """Return the multiply-accumulates of matrix products and convolutions, on a CPU.

    torch counts its fused kernels of attention, LSTMs and encoder layers as nothing there; all are
    computed by matrix products instead.

    Returns:
        the count, and the kernels that ran nevertheless and are not in it.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import FlopCounterMode

    aten, uncounted = torch.ops.aten, set()

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            name = f"{func.namespace}.{func.overloadpacket.__name__}"
            if func.namespace not in COUNTED_NAMESPACES or name in UNCOUNTED:
                uncounted.add(name)
            return func(*args, **(kwargs or {}))

    products = (aten.mv, aten.dot, aten.vdot, aten._grouped_mm)
    formulas: dict[Any, Any] = {**dict.fromkeys(products, product_flops), aten.addmv: addmv_flops}
    counter = FlopCounterMode(display=False, custom_mapping=formulas)
    mkldnn: Any = torch.backends.mkldnn  # its `flags` warns of what it sets besides
    fast_path = torch.backends.mha.get_fastpath_enabled()
    is_enabled, mkldnn.enabled = mkldnn.enabled, False
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with Watch(), counter, sdpa_kernel(SDPBackend.MATH):
            run()
    finally:
        mkldnn.enabled = is_enabled
        torch.backends.mha.set_fastpath_enabled(fast_path)
    return counter.get_total_flops() // 2, sorted(uncounted)


def product_flops(first: Shape, second: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """Return the operations of a product over the first's last dimension."""
    return 2 * math.prod(out_shape) * first[-1]


def addmv_flops(added: Shape, *shapes: Shape, **options: Any) -> int:
    return product_flops(*shapes, **options)
