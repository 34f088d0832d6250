"""A backbone under a linear or MLP head, optionally with a CRF; or a custom class.

The interface is that of `AutoModelFor…`: `config`, `base_model` and an output with `logits`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, PretrainedConfig
from transformers.utils.generic import ModelOutput

from temper.core.errors import InputError
from temper.models import pooling
from temper.models.config import ModelWithHeadConfig

WEIGHTS = "model.safetensors"

BuildCustom = Callable[[PretrainedConfig], nn.Module]


class ModelWithHead(nn.Module):
    """Hidden states (batch, tokens, hidden) → logits (batch, labels) or (batch, tokens, labels).

    Without `config.head` the backbone is a custom network that outputs the logits.
    """

    base_model_prefix = "backbone"

    def __init__(self, config: ModelWithHeadConfig, backbone: nn.Module):
        super().__init__()
        self.config, self.backbone = config, backbone
        self.head = None if config.head is None else _build_head(config, config.head)
        self.transitions = None
        if config.head is not None and config.head.get("crf"):
            num_labels = config.num_labels or 0
            self.transitions = nn.Parameter(torch.zeros(num_labels + 2, num_labels))

    @property
    def base_model(self) -> nn.Module:
        return self.backbone

    @property
    def is_activation_checkpointing(self) -> bool:
        return bool(getattr(self.backbone, "is_activation_checkpointing", False))

    def get_input_embeddings(self) -> nn.Module:
        return self._backbone_method(
            "get_input_embeddings", "train.freeze.embeddings or layer_decay"
        )()

    def resize_token_embeddings(self, size: int) -> None:
        self._backbone_method("resize_token_embeddings", "model.new_tokens")(size)
        self.config.backbone = {**(self.config.backbone or {}), "vocab_size": size}

    def activation_checkpointing_enable(self, *args: Any, **kwargs: Any) -> None:
        needed_by = "train.gradient_checkpointing"
        self._backbone_method("activation_checkpointing_enable", needed_by)(*args, **kwargs)

    def _backbone_method(self, name: str, needed_by: str) -> Callable[..., Any]:
        """Look up a method that transformers' models have and a custom class may lack."""
        method = getattr(self.backbone, name, None)
        if method is None:
            raise InputError(
                f"{needed_by}: {type(self.backbone).__name__} has no {name}(), which it needs: "
                "write one, or turn it off"
            )
        return method

    def num_parameters(self, *, exclude_embeddings: bool = False) -> int:
        excluded = exclude_embeddings and hasattr(self.backbone, "get_input_embeddings")
        embeddings = self.get_input_embeddings().parameters() if excluded else ()
        return sum(p.numel() for p in self.parameters()) - sum(p.numel() for p in embeddings)

    def forward(self, **inputs: Any) -> ModelOutput:
        outputs = self.backbone(**inputs)
        if self.head is None:
            logits = outputs if isinstance(outputs, torch.Tensor) else outputs.logits
            return ModelOutput(logits=logits)
        hidden = outputs.last_hidden_state  # (batch, tokens, hidden)
        method = (self.config.head or {}).get("pooling")
        if method == "pair":
            hidden = pooling.pool_pair(hidden, inputs["attention_mask"], inputs["token_type_ids"])
        elif method is not None:
            hidden = pooling.pool_tokens(hidden, inputs.get("attention_mask"), method)
        logits = self.head(hidden)
        if self.transitions is None:
            return ModelOutput(logits=logits)
        return ModelOutput(logits=logits, transitions=self.transitions)


def build(
    config: ModelWithHeadConfig, folder: Path | None, build_custom: BuildCustom | None
) -> ModelWithHead:
    """Build a randomly initialized head on a pretrained backbone, or on one from scratch.

    Args:
        folder: a checkpoint with the backbone's safetensors; None: from scratch.
        build_custom: builds the custom network from the backbone's config.

    Raises:
        InputError: the backbone is an encoder-decoder, or the custom network fits no tensor.
    """
    inner = config.backbone_config()
    if build_custom is not None:
        network = build_custom(inner)
        if folder is not None:
            _load_matching_tensors(network, folder, str(config.custom_class))
        return ModelWithHead(config, network)
    if inner.is_encoder_decoder:
        raise InputError(f"model.head: {inner.model_type} has an encoder and a decoder; leave null")
    if folder is None:
        backbone = AutoModel.from_config(inner, dtype=torch.float32)
    else:
        backbone = AutoModel.from_pretrained(
            str(folder), config=inner, dtype=torch.float32, use_safetensors=True
        )
    return _init_head(ModelWithHead(config, _drop_pooler(backbone)))


def load(folder: Path, build_custom: BuildCustom | None = None) -> ModelWithHead:
    """Load a model that `save` wrote, in eval mode."""
    from safetensors.torch import load_model

    config = ModelWithHeadConfig.from_pretrained(str(folder))
    inner = config.backbone_config()
    if build_custom is not None:
        network = build_custom(inner)
    else:
        network = _drop_pooler(AutoModel.from_config(inner))
    model = ModelWithHead(config, network)
    load_model(model, str(folder / WEIGHTS))
    return model.eval()


def continue_from(
    config: ModelWithHeadConfig, folder: Path, build_custom: BuildCustom | None, *, new_head: bool
) -> ModelWithHead:
    """Load an earlier model to train further; one with another number of labels gets a new head."""
    if build_custom is not None:
        return build(config, folder, build_custom)
    model = load(folder)
    if new_head or model.config.num_labels != config.num_labels:
        return _init_head(ModelWithHead(config, model.backbone))
    model.config = config
    return model


def save(model: ModelWithHead, folder: Path) -> None:
    """Write model.safetensors and config.json, which includes the CRF's trained transitions."""
    from safetensors.torch import save_model

    if model.transitions is not None:
        model.config.transitions = model.transitions.detach().cpu().double().tolist()
    model.config.save_pretrained(str(folder))
    save_model(model, str(folder / WEIGHTS), metadata={"format": "pt"})


def _build_head(config: ModelWithHeadConfig, head: dict[str, Any]) -> nn.Module:
    num_inputs, num_labels = config.backbone_config().hidden_size, config.num_labels or 0
    num_inputs *= 4 if head.get("pooling") == "pair" else 1
    if head["kind"] == "linear":
        return nn.Sequential(nn.Dropout(head["dropout"]), nn.Linear(num_inputs, num_labels))
    return nn.Sequential(
        nn.Dropout(head["dropout"]),
        nn.Linear(num_inputs, head["hidden_size"]),
        nn.GELU(),
        nn.Dropout(head["dropout"]),
        nn.Linear(head["hidden_size"], num_labels),
    )


def _init_head(model: ModelWithHead) -> ModelWithHead:
    """Initialize the head as transformers does: normal, with std `initializer_range`.

    The last layer over pairs starts at zero, since noise over four times as many features would
    outweigh them at first.
    """
    std = getattr(model.config.backbone_config(), "initializer_range", 0.02)
    for module in model.head.modules() if model.head is not None else ():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=std)
            nn.init.zeros_(module.bias)
    if model.head is not None and (model.config.head or {}).get("pooling") == "pair":
        nn.init.zeros_(list(model.head.parameters())[-2])  # the weight before the bias
    return model


def _drop_pooler(backbone: nn.Module) -> nn.Module:
    """Remove the pooler: no head reads it, so it would never be trained."""
    if getattr(backbone, "pooler", None) is not None:
        backbone.register_module("pooler", None)
    return backbone


def _load_matching_tensors(network: nn.Module, folder: Path, name: str) -> None:
    """Load those tensors of a checkpoint that a custom network has by name and shape.

    Raises:
        InputError: there are none.
    """
    from safetensors.torch import load_file

    stored: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors = load_file(str(file))
        stored |= {key.removeprefix("backbone."): value for key, value in tensors.items()}
    state = network.state_dict()
    matching = {k: v for k, v in stored.items() if k in state and state[k].shape == v.shape}
    if not matching:
        raise InputError(
            f"model.custom_class: {name} shares no tensor with the checkpoint, which has "
            f"{', '.join(list(stored)[:3])}, …; the class has {', '.join(list(state)[:3])}, …: "
            "give its modules the checkpoint's names, or set model.from_scratch: true"
        )
    network.load_state_dict(matching, strict=False)
    print(f"{name}: {len(matching)} of {len(state)} tensors from the checkpoint")
