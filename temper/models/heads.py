"""A backbone under a linear or MLP head, with a CRF if asked; or a class of the user's.

Beside `AutoModelFor…`: it has a config, a backbone as `base_model`, and answers with `logits`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModel
from transformers.utils.generic import ModelOutput

from temper.core.errors import InputError
from temper.models.config import ModelWithHeadConfig

WEIGHTS = "model.safetensors"


class ModelWithHead(nn.Module):
    """Hidden states (batch, tokens, hidden) → logits (batch, labels) or (batch, tokens, labels).

    Args:
        config: of the head.
        backbone: the network below, or the user's own, whose output is the logits.
    """

    base_model_prefix = "backbone"

    def __init__(self, config: ModelWithHeadConfig, backbone: nn.Module):
        super().__init__()
        self.config, self.backbone = config, backbone
        self.head = None if config.head is None else _build_head(config)
        self.transitions = None
        if config.head is not None and config.head.get("crf"):
            num_labels: Any = config.num_labels
            self.transitions = nn.Parameter(torch.zeros(num_labels + 2, num_labels))

    @property
    def base_model(self) -> Any:
        return self.backbone

    @property
    def is_activation_checkpointing(self) -> bool:
        return bool(getattr(self.backbone, "is_activation_checkpointing", False))

    def get_input_embeddings(self) -> Any:
        return self._backbone_method(
            "get_input_embeddings", "train.freeze.embeddings or layer_decay"
        )()

    def resize_token_embeddings(self, size: int) -> None:
        self._backbone_method("resize_token_embeddings", "model.new_tokens")(size)
        self.config.backbone = {**(self.config.backbone or {}), "vocab_size": size}

    def activation_checkpointing_enable(self, *args: Any, **kwargs: Any) -> None:
        needed_by = "train.gradient_checkpointing"
        self._backbone_method("activation_checkpointing_enable", needed_by)(*args, **kwargs)

    def _backbone_method(self, method: str, needed_by: str) -> Any:
        """Return a method that transformers' models have, and a class of the user's may not."""
        found = getattr(self.backbone, method, None)
        if found is None:
            raise InputError(
                f"{needed_by}: {type(self.backbone).__name__} has no {method}(), which it needs: "
                "write one, or turn it off"
            )
        return found

    def num_parameters(self, *, exclude_embeddings: bool = False) -> int:
        known = exclude_embeddings and hasattr(self.backbone, "get_input_embeddings")
        embedded = self.get_input_embeddings().parameters() if known else ()
        return sum(p.numel() for p in self.parameters()) - sum(p.numel() for p in embedded)

    def forward(self, **inputs: Any) -> ModelOutput:
        found = self.backbone(**inputs)
        if self.head is None:
            logits = found if isinstance(found, torch.Tensor) else found.logits
            return ModelOutput(logits=logits)
        hidden = found.last_hidden_state  # (batch, tokens, hidden)
        pooling = (self.config.head or {}).get("pooling")
        if pooling == "pair":
            hidden = pool_pair(hidden, inputs["attention_mask"], inputs["token_type_ids"])
        elif pooling is not None:
            hidden = pool_tokens(hidden, inputs.get("attention_mask"), pooling)  # (batch, hidden)
        outputs = {"logits": self.head(hidden)}
        if self.transitions is not None:
            outputs["transitions"] = self.transitions
        return ModelOutput(outputs)


def pool_tokens(hidden: torch.Tensor, mask: torch.Tensor | None, how: str) -> torch.Tensor:
    """Return one vector per row of hidden states (batch, tokens, hidden), padding left out."""
    if mask is None:
        mask = hidden.new_ones(hidden.shape[:2])
    if how == "first":
        first = mask.to(torch.int32).argmax(1)  # padding may stand on the left
        return hidden.gather(1, first[:, None, None].expand(-1, 1, hidden.shape[-1]))[:, 0]
    wide = mask[:, :, None].to(hidden.dtype)
    if how == "max":
        return (hidden + (wide - 1) * 1e4).amax(1)
    return (hidden * wide).sum(1) / wide.sum(1).clamp(min=1)


def pool_pair(hidden: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
    """Return both texts' means, their distance and their product (batch, 4 x hidden).

    The texts are read together; tokens of type 1 are the second's. The four are those of Conneau et
    al. 2017. A mean has the length that a layer norm would give it.

    Args:
        hidden: states (batch, tokens, hidden).
        mask: 0 where there is padding (batch, tokens).
        types: token types (batch, tokens).
    """
    first, second = (
        nn.functional.normalize(pool_tokens(hidden, mask * (types == side), "mean"), dim=-1)
        * hidden.shape[-1] ** 0.5
        for side in (0, 1)
    )
    return torch.cat([first, second, (first - second).abs(), first * second], -1)


def build(
    config: ModelWithHeadConfig, folder: Path | None, own: Callable[[Any], Any] | None
) -> ModelWithHead:
    """Return a new head on a backbone whose weights come from `folder`, or all new.

    Args:
        config: of the head.
        folder: a checkpoint with the backbone's safetensors; None: from scratch.
        own: builds the user's network from the backbone's config.

    Raises:
        InputError: a backbone with encoder and decoder; a class of which the checkpoint fits none.
    """
    inner = config.backbone_config()
    if own is not None:
        network = own(inner)
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


def load(folder: Path, own: Callable[[Any], Any] | None = None) -> ModelWithHead:
    """Load what `save` wrote.

    Args:
        folder: with config.json and model.safetensors.
        own: builds the user's network, where the config names one.
    """
    from safetensors.torch import load_model

    config = ModelWithHeadConfig.from_pretrained(str(folder))
    inner = config.backbone_config()
    network = own(inner) if own else _drop_pooler(AutoModel.from_config(inner))
    model = ModelWithHead(config, network)
    load_model(model, str(folder / WEIGHTS))
    return model.eval()


def continue_from(
    config: ModelWithHeadConfig, folder: Path, own: Callable[[Any], Any] | None, *, is_new: bool
) -> ModelWithHead:
    """Return an earlier model to train on: under its own head, or one of another kind or width."""
    if own is not None:
        return build(config, folder, own)
    before = load(folder)
    if is_new or before.config.num_labels != config.num_labels:
        return _init_head(ModelWithHead(config, before.backbone))
    before.config = config
    return before


def save(model: ModelWithHead, folder: Path) -> None:
    """Write config.json, with the trained transitions, and model.safetensors."""
    from safetensors.torch import save_model

    if model.transitions is not None:
        model.config.transitions = model.transitions.detach().cpu().double().tolist()
    model.config.save_pretrained(str(folder))
    save_model(model, str(folder / WEIGHTS), metadata={"format": "pt"})


def _build_head(config: ModelWithHeadConfig) -> nn.Module:
    head, width = config.head or {}, config.backbone_config().hidden_size
    num_labels: Any = config.num_labels
    width *= 4 if head.get("pooling") == "pair" else 1
    if head["kind"] == "linear":
        return nn.Sequential(nn.Dropout(head["dropout"]), nn.Linear(width, num_labels))
    return nn.Sequential(
        nn.Dropout(head["dropout"]),
        nn.Linear(width, head["hidden_size"]),
        nn.GELU(),
        nn.Dropout(head["dropout"]),
        nn.Linear(head["hidden_size"], num_labels),
    )


def _init_head(model: ModelWithHead) -> ModelWithHead:
    """Draw the head as transformers draws its own: normal, with the config's deviation.

    The last layer over pairs begins at zero: what the features say moves it, not a draw over four
    times as many of them.
    """
    deviation = getattr(model.config.backbone_config(), "initializer_range", 0.02)
    for module in model.head.modules() if model.head is not None else ():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=deviation)
            nn.init.zeros_(module.bias)
    if model.head is not None and (model.config.head or {}).get("pooling") == "pair":
        nn.init.zeros_(model.head[-1].weight)  # type: ignore[index]
    return model


def _drop_pooler(backbone: Any) -> Any:
    """Drop a pooler that no head reads: it would never be trained."""
    if getattr(backbone, "pooler", None) is not None:
        backbone.pooler = None
    return backbone


def _load_matching_tensors(network: nn.Module, folder: Path, name: str) -> None:
    """Load the tensors of a checkpoint that a user's class has under the same name and shape."""
    from safetensors.torch import load_file

    found: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors = load_file(str(file))
        found |= {key.removeprefix("backbone."): value for key, value in tensors.items()}
    wanted = network.state_dict()
    fitting = {k: v for k, v in found.items() if k in wanted and wanted[k].shape == v.shape}
    if not fitting:
        raise InputError(
            f"model.custom_class: {name} has none of the checkpoint's tensors "
            f"({', '.join(list(found)[:3])}, …); it has {', '.join(list(wanted)[:3])}, …: "
            "name its parts alike, or set model.from_scratch: true"
        )
    network.load_state_dict(fitting, strict=False)
    print(f"{name}: {len(fitting)} of {len(wanted)} tensors from the checkpoint")
