"""The `tokenize` group of params.yaml: lengths, windows, and augmented copies of training texts."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from temper.core.errors import nearest
from temper.params.group import Count, Examples, FileName, Group, Name, Positive, Seed, Tokens, Unit
from temper.params.model import HubModel


class AugmentMethod(Group):
    rate: float = Field(gt=0)
    """Augmented rows per training row; 0.5: for half of them."""


class WordChange(AugmentMethod):
    share: float = Field(gt=0, le=1)
    """Share of a text's words to change; at least one word."""


class Synonyms(WordChange):
    file: Name
    """A word list: a name under tokenize.synonym_files."""


class BackTranslation(AugmentMethod):
    rate: float = Field(gt=0, le=1)
    """Augmented rows per training row; translation is deterministic, so at most 1."""
    there: Name
    """Model to the other language: a name under tokenize.translators."""
    back: Name
    """Model back: a name under tokenize.translators; may be the same."""
    there_prefix: str = ""
    """Prepended to texts on the way there, for T5. Absent: none."""
    back_prefix: str = ""
    """Prepended to texts on the way back, for T5. Absent: none."""
    source_lang: Name | None = None
    """Code of the texts' language, for M2M100, NLLB and other multilingual models. Absent: none."""
    target_lang: Name | None = None
    """Code of the other language. Absent: none."""
    max_new_tokens: Tokens
    """Longest translation, in either direction."""
    num_beams: Positive
    """Beams; 1 is greedy search."""
    batch_size: Examples
    """Texts per batch."""

    @model_validator(mode="after")
    def _check_languages(self) -> Self:
        if (self.source_lang is None) != (self.target_lang is None):
            missing = "source_lang" if self.source_lang is None else "target_lang"
            raise ValueError(
                f"{missing} is missing and the other language is given: a multilingual model needs "
                "both codes, any other model neither"
            )
        return self


class PairSwap(AugmentMethod):
    rate: float = Field(gt=0, le=1)
    """Augmented rows per training row, at most 1."""


class Augment(Group):
    seed: Seed
    """Seed of the augmentation, independent of the run's seed."""
    synonyms: Synonyms | None = None
    """Replace words by synonyms of a word list. Absent: off."""
    swap: WordChange | None = None
    """Swap neighbouring words. Absent: off."""
    delete: WordChange | None = None
    """Delete words. Absent: off."""
    characters: WordChange | None = None
    """Misspell words: a letter swapped, dropped, added or replaced. Absent: off."""
    back_translation: BackTranslation | None = None
    """Translate a text to another language and back. Absent: off."""
    exchange: PairSwap | None = None
    """Exchange the two texts of a pair, where their order means nothing. Absent: off."""

    @property
    def methods(self) -> dict[str, AugmentMethod]:
        """The methods that are on, by name, in the order of the schema."""
        values = {name: value for name, value in self if name != "seed"}
        return {name: value for name, value in values.items() if value is not None}

    @model_validator(mode="after")
    def _check_methods(self) -> Self:
        if not self.methods:
            names = [name for name in type(self).model_fields if name != "seed"]
            raise ValueError(
                f"augment names no method; there are {', '.join(names)} (remove augment to turn it "
                "off)"
            )
        return self


class TokenizeParams(Group):
    encode: Name | None = None
    """Custom encoding: `module.function` of a file under `code`, called with the task's encoding.
    Absent: the task's."""
    max_length: Tokens | None = None
    """Longest example; for longer texts see overflow."""
    max_seconds: Annotated[float, Field(ge=0.05, le=3600), Unit("seconds")] | None = None
    """Longest clip; of longer ones the beginning is read."""
    padding: Literal["dynamic", "max_length"] | None = None
    """Pad to the longest example of a batch, or every example to max_length or max_seconds (TPU,
    and models whose predictions padding changes)."""
    pad_to_multiple_of: Tokens | None = None
    """With padding: dynamic, padded lengths are multiples of this. Absent: 8 where a GPU trains, 1
    elsewhere."""
    overflow: Literal["truncate", "window"] | None = None
    """Truncate longer texts, or split them into overlapping windows with one prediction."""
    stride: Annotated[Count, Unit("tokens")] | None = None
    """Overlap of a window with the one before."""
    window_pooling: Literal["mean", "max", "first"] | None = None
    """How the logits of a document's windows are combined."""
    max_target_length: Tokens | None = None
    """Longest target text; longer ones are truncated."""
    augment: Augment | None = None
    """Augmented copies of training texts. Absent: none."""
    synonym_files: dict[FileName, Name]
    """Word lists of augment by name; {} for none. DVC watches each."""
    translators: dict[FileName, HubModel]
    """Translation models of augment by name; {} for none."""

    @property
    def rows_per_example(self) -> float:
        """Encoded rows of an example of train: itself, and the augmented ones."""
        return 1 + sum(m.rate for m in self.augment.methods.values()) if self.augment else 1

    @model_validator(mode="after")
    def _check_augment(self) -> Self:
        augment = self.augment
        if augment and augment.synonyms:
            _check_name(
                "augment.synonyms.file", augment.synonyms.file, "synonym_files", self.synonym_files
            )
        if augment and augment.back_translation:
            for key in ("there", "back"):
                name = getattr(augment.back_translation, key)
                where = f"augment.back_translation.{key}"
                _check_name(where, name, "translators", self.translators)
        return self


def _check_name(key: str, name: str, group: str, known: dict[str, Any]) -> None:
    if name not in known:
        raise ValueError(
            f"{key} is {name!r}, which tokenize.{group} does not name"
            f"{nearest(name, list(known))}: {'it has ' + ', '.join(known) if known else 'it is {}'}"
        )
