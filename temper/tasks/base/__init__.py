"""What every task provides. A task is a small object with no I/O.

`example` = raw row, `feature` = encoded row, `batch` = collated arrays, `output` = what one feature
gives, `prediction`/`reference` = decoded, one per raw example.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.tasks.base.arrays import Batch, Collator, language_scores, token_statistics

if TYPE_CHECKING:
    from temper.params.schema import Settings


@dataclass(frozen=True)
class SplitData:
    """A split as baselines see it."""

    examples: Any  # `Dataset` of raw rows
    features: Any  # `Dataset` of encoded rows
    collate: Collator


class Task(ABC):
    """One kind of problem: how rows become tensors and outputs become answers.

    Args:
        settings: the parameters it may read, those of `temper predict` too.
    """

    auto_model: str  # name of the AutoModelFor… class
    pipeline_tag: str  # the Hub's name for the task
    loss = "cross_entropy"  # a name of temper/training/losses
    auto_processor = "AutoTokenizer"
    processor_kwargs: Mapping[str, Any] = {}  # given when it is loaded
    outputs_needed: tuple[str, ...] = ("logits",)  # what `decode` needs: logits, tokens (generated)
    predict_outputs_needed: tuple[str, ...] = ("logits",)  # what `answer` needs
    is_language_model = False  # logits are over a vocabulary: only each label's are kept
    packing = False  # whether training texts are joined to full blocks

    def __init__(self, settings: "Settings"):
        self.settings = settings
        self.params: Any = settings.task  # the task's own schema
        self.label_names: list[str] = []  # labels in the order of their ids

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the raw input columns, the target not among them."""
        return tuple(self.params.inputs)

    def read_label_names(self, features: Mapping[str, Any]) -> list[str] | None:
        """Return label names in the order of their ids, or None where the head has none."""
        feature = features.get("labels")
        names = getattr(getattr(feature, "feature", feature), "names", None)
        return list(names) if names else None

    def num_outputs(self, features: Mapping[str, Any]) -> int | None:
        """Return the width of a new head, or None where the model fixes it."""
        names = self.read_label_names(features)
        return len(names) if names else None

    def label_feature(self, raw: Mapping[str, Any]) -> Any:
        """Return the `datasets` feature of the encoded `labels`."""
        raise NotImplementedError

    def configure(self, config: Any, features: Mapping[str, Any]) -> None:
        """Write the width of the head and its labels into a model's config."""
        width = self.num_outputs(features)
        if self.label_names:
            config.id2label = dict(enumerate(self.label_names))
            config.label2id = {name: i for i, name in enumerate(self.label_names)}
        elif width is not None:
            config.num_labels = width

    def is_labelled(self, features: Any) -> bool:
        """Tell whether a tokenized split has labels to learn from or to be scored by."""
        if "labels" not in features.features or not len(features):
            return False
        return any(label is not None and label != -1 for label in features["labels"][:1000])

    @abstractmethod
    def encode(self, examples: Mapping[str, list], processor: Any, *, mode: str) -> dict[str, list]:
        """Turn raw columns into model columns.

        Args:
            examples: columns of raw rows; the target may be absent.
            processor: the tokenizer or image processor.
            purpose: train, score or answer; a task that `packs` joins training texts to full
                blocks, and one that writes takes what it is to answer as prompts.

        Returns:
            The model's columns, `length` (tokens), `full_length` (tokens before anything was cut),
            `labels` where there are any, and `example_id` (the position in `examples`) where an
            example may become several features.
        """

    @abstractmethod
    def collator(self, processor: Any, config: Any, augmentation: Any = None) -> Collator:
        """Return a function from features to a batch of numpy arrays.

        Args:
            processor: gives the pad id and side, or an image's mean and deviation.
            config: of the model.
            augmentation: of training images; None: none.
        """

    def logits(self, outputs: Any, batch: Mapping[str, Any]) -> Any:
        """Return the tensor whose last axis the loss and the exports are about."""
        return outputs.logits

    def load_decoder_state(self, model: Any) -> None:  # noqa: B027 (most tasks take nothing)
        """Take from a model what `decode` needs beside its logits."""

    def reduce_logits(self, logits: Any, batch: Batch) -> Any:
        """Return what is kept of a batch's logits, (rows, …); the rest is never stored."""
        if not self.is_language_model:
            return logits
        return token_statistics(logits, batch["labels"])

    def unpad(self, kept: np.ndarray, rows: Sequence[Mapping[str, Any]]) -> Sequence[np.ndarray]:
        """Return one output per feature, without its padding."""
        return list(kept)

    def hard_prediction(self, output: np.ndarray, feature: Mapping[str, Any]) -> np.ndarray:
        """Return what an output says, so that two models' can be compared."""
        return output.argmax(-1)

    def score(
        self, outputs: Sequence[np.ndarray], features: Any, scores: Callable[..., dict]
    ) -> dict[str, float]:
        """Return `loss` and metrics of features, as training shows them on validation.

        Args:
            outputs: one per feature.
            features: their encoded rows.
            scores: the task's metrics, a function of predictions and references.
        """
        assert self.is_language_model, "other tasks have a score of their own"
        return language_scores(outputs)

    def prompts(self, rows: Sequence[Mapping[str, Any]], processor: Any) -> Batch:
        """Return input_ids and attention_mask of what a model is to write after."""
        raise NotImplementedError

    def baselines(
        self, train: SplitData, others: Mapping[str, SplitData]
    ) -> dict[str, dict[str, list]]:
        """Return predictions that cost seconds, by baseline and split."""
        raise NotImplementedError

    @abstractmethod
    def decode(
        self, outputs: Mapping[str, Sequence], features: Any, examples: Any, processor: Any
    ) -> list:
        """Return one prediction per raw example, in order.

        Args:
            outputs: by pass; one output per feature.
            features: their encoded rows.
            examples: the raw rows.
            processor: as in `encode`.
        """

    def references(self, examples: Any) -> list | None:
        """Return one reference per raw example, or None where the split has none."""
        if self.params.target is None:
            return [None] * len(examples)
        values = list(examples[self.params.target[0]])
        return None if all(value is None for value in values) else values

    def predict(
        self, outputs: Mapping[str, Sequence], features: Any, examples: Any, processor: Any
    ) -> dict[str, list]:
        """Return the columns that `temper predict` adds."""
        return {"prediction": self.decode(outputs, features, examples, processor)}

    @abstractmethod
    def snippet(self) -> str:
        """Return the Python code of the model card that loads and calls the model."""

    def format_value(self, value: Any) -> str:
        """Return a prediction or reference as people read it."""
        return "" if value is None else str(value)
