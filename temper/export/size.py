"""A trained model and its export → what a prediction costs, the same numbers on every machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.prediction.predictor import Predictor
from temper.tasks.base import registry

if TYPE_CHECKING:
    from datasets import Dataset

FILE = "size.json"  # of an export; `temper compare` reads it
WEIGHTS = ("*.safetensors", "onnx/*.onnx")


def measure(predictor: Predictor, features: "Dataset", target: Path) -> dict[str, Any]:
    """Return the parameters, the MACs of a row of median length, and the bytes of files.

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


def macs(predictor: Predictor, feature: dict[str, Any]) -> int:
    """Return the multiply-accumulates of one forward pass: of matrix products and convolutions.

    Attention is computed by matrix products: torch does not count its fused kernel on a CPU.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    settings = predictor.settings
    tokenize = settings.tokenize.model_copy(update={"pad_to_multiple_of": None})  # for training
    task = registry.load(settings.model_copy(update={"tokenize": tokenize}))
    batch = task.collator(predictor.processor, predictor.config)([feature])
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        predictor.forward(batch)
    return counter.get_total_flops() // 2
