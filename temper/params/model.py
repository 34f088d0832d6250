"""The `model` group of params.yaml: the checkpoint, its head, and what of it is trained."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from temper.core.errors import nearest
from temper.params.task import Group, Name, Positive, Share


class Head(Group):
    kind: Literal["new", "linear", "mlp"] = Field(
        description="The class's own head drawn anew, one layer, or a hidden layer before it."
    )
    pooling: Literal["first", "mean", "max", "pair"] | None = Field(
        default=None,
        description="linear, mlp: one vector per row from its tokens'; pair: of its two texts.",
    )
    hidden_size: Positive | None = Field(default=None, description="mlp: units of the layer.")
    dropout: Share | None = Field(default=None, description="linear, mlp: share of units dropped.")
    crf: bool | None = Field(
        default=None, description="token_classification: score paths of tags, not single tags."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        own = self.kind != "new"
        for key, wanted in (
            ("hidden_size", self.kind == "mlp"),
            ("dropout", own),
        ):
            if wanted and getattr(self, key) is None:
                raise ValueError(f"head.{key} is needed for {self.kind}")
        for key, wanted in (
            ("hidden_size", self.kind == "mlp"),
            ("dropout", own),
            ("pooling", own),
            ("crf", own),
        ):
            if not wanted and getattr(self, key) is not None:
                raise ValueError(f"head.{key} has no effect with {self.kind}; remove it")
        return self


class Lora(Group):
    rank: Positive = Field(description="Rank of the two small matrices beside each weight.")
    alpha: float = Field(gt=0, description="Their product is scaled by alpha / rank.")
    dropout: Share = Field(description="Share of their input dropped while training.")
    target_modules: tuple[Name, ...] | None = Field(
        description="Names of the layers; null: every linear layer of the backbone."
    )


class ModelParams(Group):
    name: Name = Field(description="A name under files, or a Hub id.")
    files: dict[Name, Name] = Field(description="Local model folders by name; {} with a Hub model.")
    revision: Name | None = Field(description="Commit, branch or tag of the Hub model.")
    from_scratch: bool = Field(description="New weights from the config and the seed.")
    trust_remote_code: bool = Field(description="Run the code a Hub model brings along.")
    config: dict[str, Any] = Field(description="Overrides of the model's config.json.")
    head: Head | None = Field(default=None, description="null: the task's, as the checkpoint's.")
    lora: Lora | None = Field(
        default=None, description="Train small matrices beside the frozen weights; merged after."
    )
    new_tokens: tuple[Name, ...] | None = Field(
        default=None, description="Added to the vocabulary, their embeddings trained."
    )
    custom_class: Name | None = Field(
        default=None, description="A class of yours, built from the config, that returns logits."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.name not in self.files and Path(self.name).is_dir():
            raise ValueError(
                f"name is a folder that DVC does not watch: write files: {{local: {self.name}}} "
                "and name: local"
            )
        if self.files and self.name not in self.files:
            raise ValueError(
                f"name is {self.name!r} but files holds {sorted(self.files)}"
                f"{nearest(self.name, list(self.files))}: use one of those, or files: {{}} "
                "for a Hub model"
            )
        return self
