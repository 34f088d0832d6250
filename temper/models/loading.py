"""Model folders → configs and networks: transformers' own classes, and those with a head of ours.

A folder whose config says `model_type: temper` holds a backbone under a head of
`temper/models/heads.py`, or a class of the user's. transformers does not know the type, so
`pipeline()` on such a folder fails instead of answering with a fresh head.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from temper.core import artifacts

HEADS = (
    "classifier",
    "score",
    "pre_classifier",
    "pooler",
    "classification_head",
    "head",
    "lm_head",
    "final_logits_bias",
)


def is_temper_model(folder: Path) -> bool:
    """Tell whether a folder holds a model that only temper can build."""
    from temper.models.config import MODEL_TYPE

    return artifacts.read_json(folder / "config.json").get("model_type") == MODEL_TYPE


def open_config(folder: Path, **options: Any) -> Any:
    """Load a folder's config."""
    if is_temper_model(folder):
        from temper.models.config import ModelWithHeadConfig

        return ModelWithHeadConfig.from_pretrained(str(folder))
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(str(folder), local_files_only=True, **options)


def load(folder: Path, auto_model: str, own: Callable[[Any], Any] | None = None) -> Any:
    """Load a trained model's safetensors on the CPU.

    Args:
        folder: with config.json and model.safetensors.
        auto_model: name of the AutoModelFor… class, for models of transformers.
        own: builds the user's network from the backbone's config, where the config names one.
    """
    import transformers

    transformers.logging.disable_progress_bar()
    if is_temper_model(folder):
        from temper.models import heads

        return heads.load(folder, own)
    auto = getattr(transformers, auto_model)
    return auto.from_pretrained(str(folder), local_files_only=True)


def backbone_prefix(model: Any) -> str:
    """Return what the backbone's tensors begin with; "" where it has no name of its own."""
    prefix = model.base_model_prefix + "."
    return prefix if any(name.startswith(prefix) for name in model.state_dict()) else ""


def is_head_tensor(name: str, prefix: str) -> bool:
    """Tell whether a tensor belongs to the head or the pooler, which may be new."""
    return not name.startswith(prefix) or name.removeprefix(prefix).split(".")[0] in HEADS
