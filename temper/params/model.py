"""The `model` group of params.yaml: the checkpoint, its head, and which parts are trained."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from temper.params.group import Columns, Count, FileName, Group, Name, Positive, Share


class Head(Group):
    kind: Literal["new", "linear", "mlp"]
    """new: the task's own head, reinitialized; linear: one layer; mlp: a hidden layer before it."""
    pooling: Literal["first", "mean", "max", "pair"] | None = None
    """One vector per row from its tokens' (pair: from each of its two texts'); linear and mlp need
    it for sequence_classification. Absent: one vector per token."""
    hidden_size: Positive | None = None
    """Units of the hidden layer; mlp needs it. Absent: none."""
    dropout: Share | None = None
    """Dropout rate; linear and mlp need it. Absent: none."""
    crf: bool | None = None
    """token_classification: a CRF scores whole tag sequences. Absent: false."""

    @model_validator(mode="after")
    def _check_keys_of_kind(self) -> Self:
        needed = {"new": (), "linear": ("dropout",), "mlp": ("hidden_size", "dropout")}[self.kind]
        unread = {
            "new": ("hidden_size", "dropout", "pooling", "crf"),
            "linear": ("hidden_size",),
            "mlp": (),
        }[self.kind]
        for key in needed:
            if getattr(self, key) is None:
                raise ValueError(f"head.{key} is needed for {self.kind}")
        for key in unread:
            if getattr(self, key) is not None:
                raise ValueError(f"head.{key} has no effect with {self.kind}; remove it")
        return self


class Lora(Group):
    rank: Positive
    """Rank of the two small matrices beside each weight."""
    alpha: float = Field(gt=0)
    """Their product is scaled by alpha / rank."""
    dropout: Share
    """Dropout rate of their input."""
    target_modules: Columns | None = None
    """Names of the adapted layers. Absent: every linear layer of the backbone."""


class HubModel(Group):
    """A model that is used as it is."""

    name: Name
    """A name under model.files, or a model id on the Hub."""
    revision: Name | None = None
    """Commit, branch or tag of the Hub model; resolved to a commit and recorded. Absent: main."""


class ModelParams(Group):
    name: Name
    """A name under files, or a model id on the Hub."""
    files: dict[FileName, Name]
    """Local model folders by name; {} with a Hub model. DVC watches each."""
    revision: Name | None = None
    """Commit, branch or tag of the Hub model; resolved to a commit and recorded. Absent: main."""
    from_scratch: bool = False
    """Initialize all weights from the config and the seed. Absent: false, the checkpoint's weights
    are loaded."""
    trust_remote_code: bool = False
    """Run code that comes with the Hub model. Absent: false."""
    layers: Annotated[tuple[Count, ...], Field(min_length=1)] | None = None
    """Layers of the checkpoint to keep, counted from 0, bottom first. Absent: all."""
    config: dict[str, Any] = Field(default={})
    """Overrides of the model's config.json. Absent: none."""
    head: Head | None = None
    """Head on the backbone. Absent: the task's, as in the checkpoint."""
    lora: Lora | None = None
    """LoRA: train low-rank matrices beside frozen weights, merged at the end. Absent: off."""
    new_tokens: Columns | None = None
    """Words added to the vocabulary as single tokens, with trained embeddings. Absent: none."""
    custom_class: Name | None = None
    """Custom model: `module.Class` of a file under `code`, built from the config, returns logits.
    Absent: the class that the task and checkpoint imply."""

    @model_validator(mode="after")
    def _check_layers(self) -> Self:
        if self.layers is not None and self.from_scratch:
            raise ValueError("layers has no effect with from_scratch; remove it")
        if self.layers is not None and any(a >= b for a, b in pairwise(self.layers)):
            raise ValueError(f"layers must rise, each once; found {list(self.layers)}")
        return self

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        if self.name not in self.files and Path(self.name).is_dir():
            raise ValueError(
                f"name is a folder that DVC does not watch: write files: {{local: {self.name}}} "
                "and name: local"
            )
        return self
