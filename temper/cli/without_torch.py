"""transformers as it is where torch is not installed, which takes a third of the time to import."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NO_ADVICE = "TRANSFORMERS_NO_ADVISORY_WARNINGS"  # to install torch


@contextmanager
def without_torch() -> Iterator[None]:
    """Import transformers without torch, for tokenizers and configs alone.

    It has no models for the rest of the process then, so this is for a process that only runs ONNX.
    One that has imported torch or transformers stays as it is. torch itself can be imported later.
    `startup.postpone` is not enough: a config with a dtype makes transformers use torch.
    """
    modules: dict[str, Any] = sys.modules
    if not {"torch", "transformers"}.isdisjoint(modules):
        yield
        return
    modules["torch"] = None  # `import torch` raises ImportError
    advice = os.environ.get(NO_ADVICE)
    os.environ[NO_ADVICE] = "1"
    try:
        yield
    finally:
        modules.pop("torch")
        os.environ.pop(NO_ADVICE)
        if advice is not None:
            os.environ[NO_ADVICE] = advice
