"""Model folders → configs and networks, of transformers' classes or of temper's.

A config with `model_type: temper` is a backbone under a head of `temper/models/heads.py`, or a
custom class. transformers does not know this type, so `pipeline()` on such a folder raises an error
instead of predicting with a randomly initialized head.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper.core import artifacts

if TYPE_CHECKING:
    from torch import nn
    from transformers import GenerationConfig, PretrainedConfig

HEAD_MODULES = (
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
    """Check whether only temper can build the folder's model: a temper head or a custom class."""
    from temper.models.config import MODEL_TYPE

    return artifacts.read_json(folder / "config.json").get("model_type") == MODEL_TYPE


def open_config(folder: Path, **options: Any) -> "PretrainedConfig":
    """Load a folder's config; `options` are those of `AutoConfig.from_pretrained`.

    Without `trust_remote_code` the model's own code is neither run nor asked about.
    """
    if is_temper_model(folder):
        from temper.models.config import ModelWithHeadConfig

        return ModelWithHeadConfig.from_pretrained(str(folder))
    from transformers import AutoConfig

    options = {"trust_remote_code": False} | options
    return AutoConfig.from_pretrained(str(folder), local_files_only=True, **options)


def open_generation_config(folder: Path) -> "GenerationConfig":
    """Load which tokens a model begins with, forces and forbids; without a file, by its config."""
    from transformers import GenerationConfig
    from transformers.utils import GENERATION_CONFIG_NAME

    if (folder / GENERATION_CONFIG_NAME).exists():
        return GenerationConfig.from_pretrained(str(folder), local_files_only=True)
    return GenerationConfig.from_model_config(open_config(folder))


def load(
    folder: Path,
    auto_model: str,
    build_custom: "Callable[[PretrainedConfig], nn.Module] | None" = None,
) -> "nn.Module":
    """Load a trained model's safetensors on the CPU; `build_custom` is for a custom class."""
    import transformers

    transformers.logging.disable_progress_bar()
    if is_temper_model(folder):
        from temper.models import heads

        return heads.load(folder, build_custom)
    auto_class = getattr(transformers, auto_model)
    options = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}
    return auto_class.from_pretrained(str(folder), **options)


def backbone_prefix(model: "nn.Module") -> str:
    """Return the prefix of the backbone's tensor names, such as `bert.`; "" without one."""
    prefix = f"{model.base_model_prefix}."
    return prefix if any(name.startswith(prefix) for name in model.state_dict()) else ""


def is_head_tensor(name: str, prefix: str) -> bool:
    """Check whether a tensor belongs to the head or pooler; `prefix` is `backbone_prefix`."""
    return not name.startswith(prefix) or name.removeprefix(prefix).split(".")[0] in HEAD_MODULES
