"""A checkpoint's tensors ↔ those of the network it is loaded into, by name and shape."""

from pathlib import Path
from typing import TYPE_CHECKING

from temper.core.errors import InputError, nearest
from temper.ingest.model_files import checkpoint_shapes
from temper.models import loading
from temper.models.config import ModelWithHeadConfig

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig


def build_meta_model(config: "PretrainedConfig", auto_model: str) -> "nn.Module":
    """Build a config's network on the meta device: shapes without weights.

    Args:
        auto_model: name of the AutoModelFor… class, for transformers' models.
    """
    import torch
    import transformers

    with torch.device("meta"):
        if not isinstance(config, ModelWithHeadConfig):
            return getattr(transformers, auto_model).from_config(config)
        from temper.models import heads

        backbone = transformers.AutoModel.from_config(config.backbone_config())
        return heads.ModelWithHead(config, backbone)


def compare_weights(
    folder: Path, config: "PretrainedConfig", auto_model: str
) -> dict[str, list[str]]:
    """Compare a checkpoint's tensors with the network's.

    Returns:
        The names of the network's `new` tensors, which are initialized randomly, and of the
        checkpoint's `unused` ones.

    Raises:
        InputError: a tensor of the backbone is missing, or has another shape.
    """
    network, missing, unused, stored = _load_on_meta(folder, config, auto_model)
    prefix = loading.backbone_prefix(network)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name, shape in shapes.items():
        if loading.is_head_tensor(name, prefix):
            continue
        if name in missing:
            raise InputError(
                f"the checkpoint lacks {name} {shape}{nearest(name, sorted(unused))}, which "
                f"{type(network).__name__} needs; use another model, or set "
                "model.from_scratch: true"
            )
        if name in stored:
            raise InputError(
                f"{name} is {stored[name]} in the checkpoint and {shape} in the model: "
                "model.config changes a size; remove that key, or set model.from_scratch: true"
            )
    return {"new": sorted(missing | stored.keys()), "unused": sorted(unused)}


def _load_on_meta(
    folder: Path, config: "PretrainedConfig", auto_model: str
) -> "tuple[nn.Module, set[str], set[str], dict[str, tuple[int, ...]]]":
    """Load a checkpoint into a network on the meta device, as train does on the CPU.

    Returns: the network, the names of its tensors that the checkpoint lacks, those of the
        checkpoint's that it lacks, and the shapes in the checkpoint of those of another shape.
    """
    import transformers

    if isinstance(config, ModelWithHeadConfig):
        network, stored = build_meta_model(config, auto_model), checkpoint_shapes(folder)
        expected = {name: tuple(p.shape) for name, p in network.state_dict().items()}
        changed = {n: s for n, s in stored.items() if expected.get(n, s) != s}
        return network, expected.keys() - stored.keys(), stored.keys() - expected.keys(), changed
    transformers.logging.disable_progress_bar()
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    network, report = getattr(transformers, auto_model).from_pretrained(
        str(folder),
        config=config,
        device_map="meta",
        ignore_mismatched_sizes=True,
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
    )
    transformers.logging.set_verbosity(verbosity)
    missing = set(report["missing_keys"]) - set(network.all_tied_weights_keys)
    changed = {name: tuple(shape) for name, shape, _ in report["mismatched_keys"]}
    return network, missing, set(report["unexpected_keys"]), changed
