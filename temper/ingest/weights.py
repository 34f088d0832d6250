"""A checkpoint's tensors ↔ those of the network it is loaded into, by name and shape."""

import re
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
        config: of transformers, or of a temper head.
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
    network = build_meta_model(config, auto_model)
    prefix = loading.backbone_prefix(network)
    expected = {name: tuple(p.shape) for name, p in network.state_dict().items()}
    stored = renamed_as_loaded(
        {
            prefix + name if prefix + name in expected else name: shape
            for name, shape in checkpoint_shapes(folder).items()
        },
        network,
    )
    ignored = [
        *(getattr(network, "_keys_to_ignore_on_save", None) or ()),
        *(getattr(network, "_keys_to_ignore_on_load_missing", None) or ()),
    ]

    def computed(name: str) -> bool:  # such as the sinusoids of Marian's positions
        return any(re.search(pattern, name) for pattern in ignored)

    tied = set(getattr(network, "all_tied_weights_keys", None) or ())
    new = [name for name in expected if name not in stored and name not in tied]
    new = [name for name in new if not name.endswith(("position_ids", "token_type_ids"))]
    new = [name for name in new if loading.is_head_tensor(name, prefix) or not computed(name)]
    for name in new:
        if not loading.is_head_tensor(name, prefix):
            raise InputError(
                f"the checkpoint lacks {name} {expected[name]}{nearest(name, list(stored))}, which "
                f"{type(network).__name__} needs; use another model, or set "
                "model.from_scratch: true"
            )
    for name, shape in expected.items():
        if stored.get(name) not in (None, shape):
            if loading.is_head_tensor(name, prefix):
                new.append(name)
                continue
            raise InputError(
                f"{name} is {stored[name]} in the checkpoint and {shape} in the model: "
                "model.config changes a size; remove that key, or set model.from_scratch: true"
            )
    return {"new": sorted(new), "unused": sorted(set(stored) - set(expected))}


def renamed_as_loaded(
    stored: dict[str, tuple[int, ...]], network: "nn.Module"
) -> dict[str, tuple[int, ...] | None]:
    """Rename tensors as transformers does when it loads an older layout; None: shape unknown.

    Args:
        stored: shapes by the checkpoint's names.
        network: that they are loaded into.
    """
    from transformers import PreTrainedModel
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

    if not isinstance(network, PreTrainedModel):
        return dict(stored)
    expected, mapping = network.state_dict(), get_model_conversion_mapping(network)
    renamings = [entry for entry in mapping if isinstance(entry, WeightRenaming)]
    converters = [entry for entry in mapping if isinstance(entry, WeightConverter)]
    renamed: dict[str, tuple[int, ...] | None] = {}
    for name, shape in stored.items():
        new, pattern = rename_source_key(
            name, renamings, converters, network.base_model_prefix, expected
        )
        if name in expected or new not in expected:
            renamed[name] = shape
            continue
        first, *others = next(
            (c.target_patterns for c in converters if pattern in c.source_patterns), [""]
        )
        names = [new, *(new.replace(first, other) for other in others)]
        renamed |= dict.fromkeys(names, shape if pattern is None else None)
    return renamed
