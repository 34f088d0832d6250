"""The interface of a task: a small object without I/O.

`example` = raw row, `feature` = encoded row, `batch` = collated arrays, `output` = the logits or
tokens of one feature, `prediction`/`reference` = decoded, one per raw example.
"""

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temper.tasks.base import arrays, language, windows
from temper.tasks.base.arrays import (
    Batch,
    Collator,
    Columns,
    ComputeMetrics,
    Features,
    Logits,
    Rows,
    Scores,
)

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor, nn
    from transformers import PretrainedConfig

    from temper.params.schema import Settings
    from temper.params.train import Augmentation

Mode = Literal["train", "evaluate", "predict"]
Outputs = Mapping[str, list[Any]]  # `logits` or `tokens` → an array per feature
Baselines = dict[str, dict[str, list]]  # baseline → split → a prediction per example


@dataclass(frozen=True)
class SplitData:
    """A split as baselines see it."""

    examples: Rows
    features: Rows
    collate: Collator


class Task(ABC):
    """How raw rows become tensors, and outputs become predictions.

    Args:
        settings: the parameters a task may read; an exported model carries them along.
    """

    auto_model: str  # name of the AutoModelFor… class
    pipeline_tag: str  # the Hub's name for the task
    pipeline_input = '"a text"'  # what the model card calls a pipeline with, as Python code
    library = "transformers"  # which loads the export; the Hub's name
    loss = "cross_entropy"  # a name of temper/training/losses
    loss_options: Mapping[str, float] = {}  # of that loss alone
    output_name = "logits"  # of the ONNX graph
    auto_processor = "AutoTokenizer"
    processor_kwargs: Mapping[str, Any] = {}  # of its from_pretrained
    special_tokens: tuple[str, ...] = ()  # those the tokenizer must have, such as `eos_token`
    outputs_needed: tuple[str, ...] = ("logits",)  # what `decode` needs: logits, tokens (generated)
    prediction_output = "logits"  # what `prediction_columns` needs: logits or tokens
    is_language_model = False  # logits over a vocabulary are reduced to statistics of tokens
    packing = False  # whether training texts are joined and split into full blocks

    def __init__(self, settings: "Settings"):
        self.settings = settings
        self.params: Any = settings.task  # of the task's own schema
        self.label_names: list[str] = []  # in the order of their ids

    @property
    def columns(self) -> tuple[str, ...]:
        """The raw input columns, without the target."""
        return tuple(self.params.inputs)

    def read_label_names(self, types: Mapping[str, Any]) -> list[str] | None:
        """Return the label names of tokenized columns, or None where their types hold none."""
        label = types.get("labels")
        names = getattr(getattr(label, "feature", label), "names", None)
        return list(names) if names else None

    def num_outputs(self, types: Mapping[str, Any]) -> int | None:
        """Return the number of outputs of a new head, or None where the model fixes it."""
        names = self.read_label_names(types)
        return len(names) if names else None

    def label_type(self, raw: Mapping[str, Any]) -> Any:
        """Return the `datasets` type of the encoded `labels`; by default the target's."""
        return raw[self.params.target[0]]

    def configure(self, config: "PretrainedConfig", types: Mapping[str, Any]) -> None:
        """Write the number of outputs and the label names into a model's config."""
        num_outputs = self.num_outputs(types)
        if self.label_names:
            config.id2label = dict(enumerate(self.label_names))
            config.label2id = {name: i for i, name in enumerate(self.label_names)}
        elif num_outputs is not None:
            config.num_labels = num_outputs

    def is_labelled(self, features: "Dataset") -> bool:
        """Say whether a tokenized split has labels to learn from or to be scored by."""
        if "labels" not in features.features or not len(features):
            return False
        return any(label is not None and label != -1 for label in features["labels"][:1000])

    @property
    def padded_length(self) -> Callable[[int], int] | None:
        """The map from a batch's longest row to its padded length; None: all have one shape."""
        if self.settings.tokenize.max_length is None:
            return None
        return lambda longest: arrays.padded_length([longest], self.settings)

    def max_length(self, processor: Any) -> int | None:
        """Return the most tokens of a row, or samples of a clip; None: there is no limit."""
        return self.settings.tokenize.max_length

    def input_limit(self, processor: Any) -> tuple[float, str]:
        """Return the most tokens of a row that is predicted, as `max_length`, and their name."""
        key = "max_seconds" if self.params.medium == "audio" else "max_length"
        return self.max_length(processor) or math.inf, f"tokenize.{key}"

    def check_length(self, processor: Any, config: "PretrainedConfig | None" = None) -> None:
        """Refuse lengths that the processor, or the model where it is known, cannot take.

        Raises:
            InputError: says which it takes.
        """
        windows.check_max_length(self.settings.tokenize, processor, self.params.num_texts_together)

    @abstractmethod
    def encode(self, examples: Columns, processor: Any, *, mode: Mode) -> Columns:
        """Turn raw columns into model columns.

        Args:
            examples: columns of raw rows; the target may be absent.
            mode: train, evaluate or predict. A task with `packing` packs training texts into full
                blocks; one that generates takes prompts in predict.

        Returns:
            The model's columns, `length` (tokens), `full_length` (tokens before truncation),
            `labels` where there are any, and `example_id` (the position in `examples`) where an
            example may become several features.
        """

    def num_unlearned(self, examples: Columns, columns: Columns) -> Counter[str]:
        """Count the rows of whose target something is not learned, by what, as in report.json."""
        return Counter()

    @abstractmethod
    def collate(self, rows: Features, processor: Any, config: "PretrainedConfig") -> Batch:
        """Return features as a batch of numpy arrays; `config` is the model's."""

    def collator(
        self, processor: Any, config: "PretrainedConfig", augmentation: "Augmentation | None" = None
    ) -> Collator:
        """Return `collate` for a processor and a model; `augmentation` is of training images."""

        def collate(rows: Features) -> Batch:
            if augmentation is not None:
                rows = [self.augmented(row, augmentation) for row in rows]
            return self.collate(rows, processor, config)

        return collate

    def augmented(self, row: Mapping[str, Any], p: "Augmentation") -> Mapping[str, Any]:
        """Return a feature with an augmented input, drawn from its `draw`."""
        raise NotImplementedError

    def logits(self, outputs: Any, batch: Mapping[str, Any]) -> "Tensor":
        """Return the tensor whose last axis the loss and the exports are about."""
        return outputs.logits

    def for_model(self, model: "nn.Module | PretrainedConfig") -> "Task":
        """Return the task with what decoding needs of a model besides its logits."""
        return self

    def reduce_logits(self, logits: Any, batch: Batch) -> Any:
        """Return what evaluation stores of a batch's logits, (rows, …)."""
        if not self.is_language_model:
            return logits
        return language.token_stats(logits, batch["labels"])

    def unpad(self, outputs: np.ndarray, batch: Batch) -> Logits:
        """Return one output per row of a batch, without its padding."""
        return list(outputs)

    def hard_prediction(self, output: np.ndarray, feature: Mapping[str, Any]) -> np.ndarray:
        """Return the predicted ids of a feature; export compares those of two models."""
        return output.argmax(-1)

    def agreement(self, first: np.ndarray, second: np.ndarray, feature: Mapping[str, Any]) -> float:
        """Return how far two models' outputs for a feature agree, 1: they predict the same."""
        ids = self.hard_prediction(first, feature), self.hard_prediction(second, feature)
        return float((ids[0] == ids[1]).all())

    def score(self, outputs: Logits, features: Rows, compute_metrics: ComputeMetrics) -> Scores:
        """Return `loss` and the task's metrics, as training shows them on validation."""
        assert self.is_language_model, "other tasks override this"
        return language.scores(outputs)

    def row_tokens(self, feature: Mapping[str, Any]) -> list[int]:
        """Return the tokens of a feature that it has in mode predict too, of all its texts."""
        ids = feature["input_ids"]
        return [i for text in ids for i in text] if ids and isinstance(ids[0], list) else ids

    def prompts(self, features: Features, tokenizer: Any) -> Batch:
        """Return `input_ids` and `attention_mask` of the prompts that a model continues."""
        raise NotImplementedError

    def baselines(self, train: SplitData, splits: Mapping[str, SplitData]) -> Baselines:
        """Return predictions of baselines that take seconds to fit, by baseline and split."""
        raise NotImplementedError

    @abstractmethod
    def decode(self, outputs: Outputs, features: Rows, examples: Rows, processor: Any) -> list:
        """Return one prediction per raw example, in order; `outputs` are `outputs_needed`."""

    def references(self, examples: Rows) -> list | None:
        """Return one reference per raw example, or None where the split has none."""
        if self.params.target is None:
            return [None] * len(examples)
        values = list(examples[self.params.target[0]])
        return None if all(value is None for value in values) else values

    def prediction_columns(
        self, outputs: Outputs, features: Rows, examples: Rows, processor: Any
    ) -> Columns:
        """Return the columns that `temper predict` adds."""
        return {"prediction": self.decode(outputs, features, examples, processor)}

    def snippet(self) -> str:
        """Return the Python code of the model card that loads and calls the model."""
        return (
            "from transformers import pipeline\n\n"
            f'model = pipeline("{self.pipeline_tag}", model="path/to/this/folder")\n'
            f"model({self.pipeline_input})"
        )

    def auto_model_snippet(self, *lines: str) -> str:
        """Return code that loads the model by its AutoModelFor… class, then runs `lines`."""
        loading = (
            f"from transformers import {self.auto_model}, AutoTokenizer",
            "",
            'folder = "path/to/this/folder"',
            "tokenizer = AutoTokenizer.from_pretrained(folder)",
            f"model = {self.auto_model}.from_pretrained(folder)",
        )
        return "\n".join((*loading, *lines))

    def format_value(self, value: Any) -> str:
        """Return a prediction or reference as text, for CSV files and the report."""
        return "" if value is None else str(value)
