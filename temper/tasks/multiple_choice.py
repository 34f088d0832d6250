"""A context and any number of choices → the index of the right one."""

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.tasks.base import Baselines, Mode, Outputs, SplitData, Task, arrays
from temper.tasks.base.arrays import Batch, Columns, ComputeMetrics, Features, Logits, Rows, Scores
from temper.tasks.base.texts import encode_texts

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PretrainedConfig


class MultipleChoice(Task):
    auto_model = "AutoModelForMultipleChoice"
    pipeline_tag = "multiple-choice"
    loss_options = MappingProxyType({"is_padded": True})  # a row's classes are its choices

    def label_type(self, raw: Mapping[str, Any]) -> Any:
        from datasets import Value

        return Value("int32")

    def choices(self, examples: Mapping[str, list] | Rows) -> list[list[str]]:
        """Return the choices of each example, without the stem."""
        columns = [examples[name] for name in self.params.choices]
        if len(columns) == 1:
            return list(columns[0])
        return [list(row) for row in zip(*columns, strict=True)]

    def encode(self, examples: Columns, processor: Any, *, mode: Mode) -> Columns:
        choices, contexts = self.choices(examples), examples[self.params.context]
        stems = examples[self.params.stem] if self.params.stem else [""] * len(choices)
        counts = [len(row) for row in choices]
        texts = [
            [text for text, n in zip(contexts, counts, strict=True) for _ in range(n)],
            [f"{s} {c}".strip() for s, row in zip(stems, choices, strict=True) for c in row],
        ]
        encoded = encode_texts(processor, texts, self.settings.tokenize.max_length)
        ends = np.cumsum([0, *counts])
        columns: Columns = {
            name: [encoded[name][a:b] for a, b in pairwise(ends)]
            for name in ("input_ids", "token_type_ids")
            if name in encoded
        }
        columns["length"] = [max(map(len, row)) for row in columns["input_ids"]]
        columns["full_length"] = [max(encoded["full_length"][a:b]) for a, b in pairwise(ends)]
        if self.params.label in examples:
            columns["labels"] = examples[self.params.label]
        return columns

    def collate(self, rows: Features, processor: Any, config: "PretrainedConfig") -> Batch:
        padding = {"input_ids": [arrays.pad_id(processor)], "token_type_ids": [0]}
        num_choices = max(len(row["input_ids"]) for row in rows)
        names = [name for name in padding if name in rows[0]]
        choices = [
            {name: row[name][i] if i < len(row["input_ids"]) else padding[name] for name in names}
            for row in rows
            for i in range(num_choices)
        ]
        batch = arrays.pad_texts(choices, processor, self.settings)
        batch = {name: v.reshape(len(rows), num_choices, -1) for name, v in batch.items()}
        if "labels" in rows[0]:
            batch["labels"] = arrays.label_ids(row["labels"] for row in rows)
        return batch  # (batch, choices, tokens); a choice of a single token is padding

    def logits(self, outputs: Any, batch: Mapping[str, Any]) -> "Tensor":
        is_padding = batch["attention_mask"].sum(-1) <= 1
        return outputs.logits.masked_fill(is_padding, arrays.PADDING_LOGIT)  # (batch, choices)

    def unpad(self, outputs: np.ndarray, batch: Batch) -> Logits:
        is_choice = batch["attention_mask"].sum(-1) > 1
        ends = is_choice.shape[1] - is_choice[:, ::-1].argmax(1)  # padding comes last
        return [logits[:end] for logits, end in zip(outputs, ends, strict=True)]

    def score(self, outputs: Logits, features: Rows, compute_metrics: ComputeMetrics) -> Scores:
        labels = list(features["labels"])
        losses = [-arrays.log_softmax(o)[y] for o, y in zip(outputs, labels, strict=True)]
        scores = compute_metrics([int(logits.argmax()) for logits in outputs], labels)
        return {"loss": float(np.mean(losses)), **scores}

    def baselines(self, train: SplitData, splits: Mapping[str, SplitData]) -> Baselines:
        predictions: Baselines = {"longest_choice": {}, "word_overlap": {}}
        for split, data in splits.items():
            choices = self.choices(data.examples)
            predictions["longest_choice"][split] = [
                int(np.argmax([len(text) for text in row])) for row in choices
            ]
            predictions["word_overlap"][split] = [
                int(np.argmax([word_overlap(text, context) for text in row]))
                for context, row in zip(data.examples[self.params.context], choices, strict=True)
            ]
        return predictions

    def decode(self, outputs: Outputs, features: Rows, examples: Rows, processor: Any) -> list:
        """Return the index of the choice with the highest logit."""
        return [int(np.argmax(logits)) for logits in outputs["logits"]]

    def prediction_columns(
        self, outputs: Outputs, features: Rows, examples: Rows, processor: Any
    ) -> Columns:
        indices = self.decode(outputs, features, examples, processor)
        probabilities = [
            np.exp(arrays.log_softmax(logits)).round(6) for logits in outputs["logits"]
        ]
        texts = [row[i] for row, i in zip(self.choices(examples), indices, strict=True)]
        return {
            "prediction": indices,
            "choice": texts,
            "score": [float(row.max()) for row in probabilities],
            "scores": [row.tolist() for row in probabilities],
        }

    def snippet(self) -> str:
        return self.auto_model_snippet(
            'choices = ["one ending", "another ending"]',
            'inputs = tokenizer(["a context"] * 2, choices, padding=True, return_tensors="pt")',
            "model(**{name: values[None] for name, values in inputs.items()}).logits.argmax()",
        )


def word_overlap(text: str, context: str) -> float:
    """Return the share of a text's words that its context has too."""
    words = set(text.lower().split())
    return len(words & set(context.lower().split())) / max(len(words), 1)
