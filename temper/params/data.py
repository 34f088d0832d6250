"""The `data` group of params.yaml: where rows come from, which are kept, how they are split."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from temper.params.group import (
    Characters,
    Columns,
    Count,
    FileName,
    Group,
    Name,
    Positive,
    Seed,
    Share,
    Unit,
)


class HubDataset(Group):
    name: Name | None = None
    """Dataset id on the Hub, such as nyu-mll/glue. Absent: none."""
    config: Name | None = None
    """Configuration of the dataset. Absent: its only one."""
    revision: Name | None = None
    """Commit, branch or tag; resolved to a commit and recorded. Absent: main."""
    splits: dict[FileName, Name] = Field(default={})
    """Split here → split of the dataset. Absent: the dataset's names."""
    rows: Annotated[Positive, Unit("rows")] | None = None
    """The first rows of each split, streamed: files are read no further. Absent: all rows."""


class CsvParams(Group):
    delimiter: Annotated[str, Field(pattern=r'^[^"\r\n]$')] | None = None
    """Character between two columns. Absent: comma, semicolon, tab or vertical bar, as the file has
    it."""
    quoting: Literal["double", "none"] | None = None
    """`double`: `"` encloses a field; `none`: `"` is a character of it. Absent: as the file has it,
    `double` in CSV and `none` in TSV if it has no quotes."""
    encoding: Name | None = None
    """Encoding, by Python's name for it, such as cp1250. Absent: by the byte order mark, UTF-8, or
    cp1252 if it is not UTF-8."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.delimiter is None and self.quoting is None and self.encoding is None:
            raise ValueError("give delimiter, quoting or encoding, or remove csv")
        try:
            b"\xff".decode(self.encoding or "utf-8", "replace")  # idna and others cannot replace
        except (LookupError, ValueError):
            raise ValueError(
                f"encoding {self.encoding!r} is unknown; utf-8, cp1252, cp1250, cp1251, latin-1, "
                "utf-16 and gb18030 are some that Python knows"
            ) from None
        return self


class SplitParams(Group):
    validation: Share
    """Share of train that becomes a missing validation."""
    test: Share
    """Share of train that becomes a missing test."""
    seed: Seed
    """Seed of the split, of folds and subsets; independent of the run's seed."""
    group: Name | None = None
    """Column: rows of train that share its value stay together. Absent: rows are split one by
    one."""

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError(
                f"validation {self.validation} and test {self.test} leave no rows for train; their "
                "sum must be below 1"
            )
        return self


class FilterParams(Group):
    min_characters: Characters | None = None
    """Shortest row kept, by the length of all its texts. Absent: no limit."""
    max_characters: Characters | None = None
    """Longest row kept, by the length of all its texts. Absent: no limit."""
    labels: tuple[Name, ...] | None = Field(default=None, min_length=1)
    """Labels whose rows are kept. Absent: all."""
    applies_to: tuple[Name, ...] = Field(min_length=1)
    """Splits that are filtered, such as train."""

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        low, high = self.min_characters, self.max_characters
        if low is None and high is None and self.labels is None:
            raise ValueError("give min_characters, max_characters or labels, or remove filter")
        if low is not None and high is not None and low > high:
            raise ValueError(f"min_characters {low} is more than max_characters {high}")
        return self


class FoldParams(Group):
    k: int = Field(ge=2)
    """Number of folds that train is divided into."""
    index: Count
    """The fold that becomes validation, from 0."""

    @model_validator(mode="after")
    def _check_index(self) -> Self:
        if self.index >= self.k:
            raise ValueError(f"index {self.index} is not one of 0 to {self.k - 1} (k is {self.k})")
        return self


Size = Annotated[Positive, Unit("rows")] | Annotated[float, Field(gt=0, le=1), Unit("share")]


class DataParams(Group):
    source: Literal["files", "hub"]
    """Where the data come from."""
    files: dict[FileName, Name]
    """Split → file or folder; {} with `source: hub`. DVC watches each."""
    glob: Name = "*"
    """Which files of a folder; {split} is replaced by the split's name. Absent: all of them."""
    hub: HubDataset = HubDataset()
    """Dataset on the Hub. Absent: none, with `source: files`."""
    csv: CsvParams | None = None
    """How CSV and TSV files are written. Absent: recognized in each file."""
    rename: dict[Name, Name] | None = None
    """Column as it is read → the name that everything else uses. Absent: as read."""
    extra_columns: Columns = ()
    """More columns to keep, such as ids and slices. Absent: none."""
    filter: FilterParams | None = None
    """Which rows are kept. Absent: all."""
    split: SplitParams
    """How splits that the data lack are cut from train."""
    fold: FoldParams | None = None
    """Cross-validation: one fold of train becomes validation. Absent: off."""
    subset: dict[Name, Size] | None = None
    """Split → rows (500) or share (0.1) of it to keep, drawn by split.seed. Absent: all rows."""
    overlap: Literal["report", "drop_from_train", "error"] = "report"
    """What to do with rows of train that another split has too, in any case and spacing. Absent:
    `report`, which counts them."""
    license: Name | None = None
    """SPDX id of the data. Absent: what the Hub says."""
    description: Name | None = None
    """The data in one sentence. Absent: what the Hub says."""

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if self.source == "files" and "train" not in self.files:
            raise ValueError("files needs a train split while source is 'files'")
        if self.source == "hub" and self.hub.name is None:
            raise ValueError("hub.name is needed while source is 'hub'")
        if self.source == "hub" and self.files:
            raise ValueError("files must be {} while source is 'hub': DVC would watch them")
        if self.source == "hub" and self.csv is not None:
            raise ValueError("csv is for local files; remove it while source is 'hub'")
        if len(set((self.rename or {}).values())) < len(self.rename or {}):
            raise ValueError("rename gives two columns the same name")
        return self

    def shared_rows(self, counts: Mapping[str, int]) -> list[str]:
        """Say which splits still share rows.

        Args:
            counts: `a in b`, rows of split a that b has too, before any were dropped from train.
        """
        pairs = [(*pair.split(" in "), count) for pair, count in counts.items() if count]
        dropped = "train" if self.overlap == "drop_from_train" else None
        return [
            f"{n:,} row{'s' * (n != 1)} of {a} {'is' if n == 1 else 'are'} in {b} too"
            for a, b, n in pairs
            if a != dropped
        ]
