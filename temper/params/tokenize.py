"""The `tokenize` group of params.yaml: lengths, windows, and changed copies of training texts."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from temper.core.errors import nearest
from temper.params.task import Count, Group, Name, Positive


class AugmentMethod(Group):
    rate: float = Field(gt=0, description="Made rows per training row; 0.5: one for half of them.")


class WordChange(AugmentMethod):
    share: float = Field(gt=0, le=1, description="Share of a text's words to change, at least 1.")


class Synonyms(WordChange):
    file: Name = Field(description="A word list, by its name under tokenize.synonym_files.")


class BackTranslation(AugmentMethod):
    rate: float = Field(
        gt=0, le=1, description="Made rows per training row; nothing is sampled, so at most 1."
    )
    there: Name = Field(description="Model to the other language, a name under translators.")
    back: Name = Field(description="Model back, a name under translators; may be the same.")
    there_prefix: str = Field(description="Put before texts on their way there, for T5.")
    back_prefix: str = Field(description="Put before texts on their way back, for T5.")
    source_lang: Name | None = Field(
        description="Code of the texts' language, for M2M100, NLLB and the like; or null."
    )
    target_lang: Name | None = Field(description="The other language's code, or null.")
    max_new_tokens: Positive = Field(description="Most tokens that are written, either way.")
    num_beams: Positive = Field(description="Beams; 1 is greedy.")
    batch_size: Positive = Field(description="Texts translated at once.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.source_lang is None) != (self.target_lang is None):
            missing = "source_lang" if self.source_lang is None else "target_lang"
            raise ValueError(
                f"{missing} is null and the other language is not: a multilingual model needs "
                "both codes, any other none"
            )
        return self


class PairSwap(AugmentMethod):
    rate: float = Field(gt=0, le=1, description="Made rows per training row, at most 1.")


class Augment(Group):
    seed: Count = Field(description="Seed of the draws, apart from the run's seed.")
    synonyms: Synonyms | None = Field(
        default=None, description="Replace words by those a word list gives."
    )
    swap: WordChange | None = Field(default=None, description="Swap neighbouring words.")
    delete: WordChange | None = Field(default=None, description="Leave words out.")
    characters: WordChange | None = Field(
        default=None, description="Misspell words: a letter swapped, dropped, added or replaced."
    )
    back_translation: BackTranslation | None = Field(
        default=None, description="Translate a text to another language and back."
    )
    exchange: PairSwap | None = Field(
        default=None, description="Pairs: the texts change places, where their order says nothing."
    )

    @property
    def methods(self) -> dict[str, AugmentMethod]:
        """Return the methods that are on, by name, in the order of the schema."""
        values = {name: value for name, value in self if name != "seed"}
        return {name: value for name, value in values.items() if value is not None}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.methods:
            names = [name for name in type(self).model_fields if name != "seed"]
            raise ValueError(
                f"augment names no method; there are {', '.join(names)} (augment: null turns it "
                "off)"
            )
        return self


class Translator(Group):
    name: Name = Field(description="A name under model.files, or a Hub id.")
    revision: Name | None = Field(description="Commit, branch or tag of the Hub model.")


class TokenizeParams(Group):
    encode: Name | None = Field(
        default=None, description="A function of yours around the task's encoding; null: none."
    )
    max_length: Positive | None = Field(
        default=None, description="Tokens per example; for long see `long`."
    )
    padding: Literal["dynamic", "max_length"] | None = Field(
        default=None,
        description="Pad to the longest of a batch, or every example to max_length (TPU).",
    )
    pad_to_multiple_of: Positive | None = Field(
        default=None, description="Padded lengths are multiples of this."
    )
    overflow: Literal["truncate", "window"] | None = Field(
        default=None,
        description="Longer texts are cut, or divided into overlapping windows with one score.",
    )
    stride: Count | None = Field(
        default=None, description="Tokens that a window shares with the one before."
    )
    window_pooling: Literal["mean", "max", "first"] | None = Field(
        default=None, description="A document's logits from its windows'."
    )
    max_target_length: Positive | None = Field(
        default=None, description="Tokens of a target text; what is longer is cut."
    )
    augment: Augment | None = Field(
        default=None,
        description="Changed copies of training texts (images: train.augmentation); null: none.",
    )
    synonym_files: dict[Name, Name] = Field(
        description="Word lists of augment, by name; {} for none."
    )
    translators: dict[Name, Translator] = Field(
        description="Translation models of augment, by name; {} for none."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
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
