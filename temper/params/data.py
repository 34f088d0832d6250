"""The `data` group of params.yaml: where rows come from, which are kept, how they are split."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from temper.params.task import Count, Group, Name, Positive, Share


class HubDataset(Group):
    name: Name | None = Field(description="Dataset id on the Hub.")
    config: Name | None = Field(description="Configuration of the dataset; null: its only one.")
    revision: Name | None = Field(description="Commit, branch or tag; resolved to a commit.")
    splits: dict[Name, Name] = Field(
        description="Split here → split there; {} keeps the dataset's names."
    )


class SplitParams(Group):
    validation: Share = Field(description="Share of train that becomes a missing validation.")
    test: Share = Field(description="Share of train that becomes a missing test.")
    seed: int = Field(description="Seed of the cut, apart from the run's seed.")
    group: Name | None = Field(
        default=None, description="Column: rows of train that share its value stay together."
    )


class FilterParams(Group):
    min_characters: Count | None = Field(
        default=None, description="Fewest characters of a row's texts together."
    )
    max_characters: Count | None = Field(
        default=None, description="Most characters of a row's texts together."
    )
    labels: tuple[Name, ...] | None = Field(
        default=None, min_length=1, description="Labels whose rows are kept."
    )
    applies_to: tuple[Name, ...] = Field(
        min_length=1, description="Splits that are filtered, such as train."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.min_characters, self.max_characters
        if low is None and high is None and self.labels is None:
            raise ValueError("give min_characters, max_characters or labels, or set filter to null")
        if low is not None and high is not None and low > high:
            raise ValueError(f"min_characters {low} is more than max_characters {high}")
        return self


class FoldParams(Group):
    k: int = Field(ge=2, description="Parts that train is divided into.")
    index: Count = Field(description="The part that becomes validation, from 0.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.index >= self.k:
            raise ValueError(f"index {self.index} is none of 0 to {self.k - 1} (k is {self.k})")
        return self


Size = Positive | Annotated[float, Field(gt=0, le=1)]


class DataParams(Group):
    source: Literal["files", "hub"] = Field(description="Where the data comes from.")
    files: dict[Name, Name] = Field(description="Split → file or folder; {} with a Hub source.")
    glob: Name = Field(description="Which files of a folder; {split} is the split's name.")
    hub: HubDataset
    rename: dict[Name, Name] | None = Field(
        default=None, description="Column as it is read → the name that all else uses."
    )
    extra_columns: tuple[Name, ...] = Field(description="Further columns to carry along.")
    filter: FilterParams | None = Field(default=None, description="Which rows are kept.")
    split: SplitParams
    fold: FoldParams | None = Field(
        default=None, description="Cross-validation: a part of train becomes validation."
    )
    subset: dict[Name, Size] | None = Field(
        default=None, description="Split → rows, or a share, to keep of it; drawn by split.seed."
    )
    overlap: Literal["report", "drop_from_train", "error"] = Field(
        description="What to do with training rows that also stand in another split."
    )
    license: Name | None = Field(description="SPDX id, or null for what the Hub says.")
    description: Name | None = Field(description="One sentence, or null for what the Hub says.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.source == "files" and "train" not in self.files:
            raise ValueError("files needs a train split while source is 'files'")
        if self.source == "hub" and self.hub.name is None:
            raise ValueError("hub.name is needed while source is 'hub'")
        if self.source == "hub" and self.files:
            raise ValueError("files must be {} while source is 'hub': DVC would watch them")
        if len(set((self.rename or {}).values())) < len(self.rename or {}):
            raise ValueError("rename gives two columns the same name")
        for split, path in self.files.items():
            if any(sign in path for sign in "*?["):
                raise ValueError(
                    f"files.{split} holds a pattern, which DVC cannot watch: name the folder here "
                    "and put the pattern in data.glob"
                )
        return self
