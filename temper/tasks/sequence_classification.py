"""Single texts or pairs → one label, several labels or a number (`problem_type`)."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.core.errors import InputError
from temper.params.schema import Settings
from temper.tasks.base import Mode, Outputs, Task, arrays, decisions, label_predictions, windows
from temper.tasks.base.arrays import Batch, Columns, ComputeMetrics, Features, Logits, Rows, Scores
from temper.tasks.base.texts import encode_texts, shorten_rows

if TYPE_CHECKING:
    from transformers import PretrainedConfig


class SequenceClassification(Task):
    auto_model = "AutoModelForSequenceClassification"
    pipeline_tag = "text-classification"

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.target_type: label_predictions.TargetType = self.params.target_type
        losses = {"classes": "binary_cross_entropy", "number": "squared_error"}
        self.loss = losses.get(self.target_type, "cross_entropy")
        self.pipeline_input = json.dumps(self.params.placeholder("a text"), ensure_ascii=False)
        if len(self.params.texts) == 2:
            self.pipeline_input = '{"text": "first text", "text_pair": "second text"}'
        if self.target_type == "classes":
            self.pipeline_input += ", top_k=None"  # the scores of all labels, not the first alone

    def num_outputs(self, types: Mapping[str, Any]) -> int:
        return len(self.read_label_names(types) or [0])

    def configure(self, config: "PretrainedConfig", types: Mapping[str, Any]) -> None:
        super().configure(config, types)
        config.problem_type = self.params.problem_type

    def encode(self, examples: Columns, processor: Any, *, mode: Mode) -> Columns:
        texts = [*self.params.read_texts(examples).values()]
        if self.settings.tokenize.overflow == "window":
            tokenizer = windows.require_fast(processor, "tokenize.overflow: window")
            if len(texts) == 2:
                self.check_room(texts[0], tokenizer)
            columns, _ = windows.encode_windows(tokenizer, texts, self.settings.tokenize)
        else:
            max_length = self.settings.tokenize.max_length
            columns = encode_texts(processor, texts, max_length)
            shorten_rows(processor, columns, self.params, examples, max_length)
        label, _ = self.params.target
        if label in examples:
            values = examples[label]
            rows = columns.get("example_id", range(len(values)))
            columns["labels"] = [values[i] for i in rows]
            if mode == "train" and (soft := examples.get(arrays.LABEL_PROBABILITIES)):
                columns[arrays.LABEL_PROBABILITIES] = [soft[i] for i in rows]
        return columns

    def check_room(self, texts: list[str], tokenizer: Any) -> None:
        """Refuse a pair's first text, which is repeated in every window, if it fills them.

        Raises:
            InputError: names the longest.
        """
        p, encoded = self.settings.tokenize, tokenizer(texts, add_special_tokens=False)
        lengths = [len(ids) for ids in encoded["input_ids"]]
        taken = (p.stride or 0) + tokenizer.num_special_tokens_to_add(pair=True)
        room, longest = (p.max_length or 0) - taken, int(np.argmax(lengths))
        if lengths[longest] >= room:
            raise InputError(
                f"column {self.params.text[0]}: {texts[longest][:40]!r}… has {lengths[longest]} "
                f"tokens and is repeated in every window of {p.max_length}, which overlap by "
                f"{p.stride}: fewer than {room} are allowed; raise tokenize.max_length, put the "
                "longer text second in task.text, or set tokenize.overflow: truncate"
            )

    def collate(self, rows: Features, processor: Any, config: "PretrainedConfig") -> Batch:
        batch = arrays.pad_texts(rows, processor, self.settings)
        if "labels" in rows[0]:
            labels = [row["labels"] for row in rows]
            batch["labels"] = self.target_array(labels, config.num_labels or 0)
        return batch

    def target_array(self, values: Sequence[Any], num_labels: int) -> np.ndarray:
        """Return ids (batch,), multi-hot rows (batch, labels) or numbers (batch,)."""
        if self.target_type == "number":
            return np.array([np.nan if y is None else y for y in values], dtype=np.float32)
        if self.target_type == "class":
            return arrays.label_ids(values)
        multi_hot = np.zeros((len(values), num_labels), dtype=np.float32)
        for row, ids in zip(multi_hot, values, strict=True):
            row[:] = np.nan if ids is None else 0.0
            row[list(ids or ())] = 1.0
        return multi_hot

    def hard_prediction(self, output: np.ndarray, feature: Mapping[str, Any]) -> np.ndarray:
        return output > 0 if self.target_type == "classes" else output.argmax(-1)

    def score(self, outputs: Logits, features: Rows, compute_metrics: ComputeMetrics) -> Scores:
        logits, values = np.asarray(outputs, dtype=np.float64), list(features["labels"])
        if "example_id" in features[0]:
            ids = np.unique(features["example_id"], return_inverse=True)[1]
            slices = list(windows.example_slices(ids, int(ids[-1]) + 1))
            logits = np.stack([self.pool(logits[part]) for part in slices])
            values = [values[part.start] for part in slices]
        names, positive = self.label_names, self.settings.evaluate.positive_label
        positive_id = label_predictions.positive_id(positive, names)
        return compute_metrics(logits, self.target_array(values, len(names)), positive=positive_id)

    def pool(self, logits: np.ndarray) -> np.ndarray:
        """Return an example's logits (outputs,) from its windows' (windows, outputs)."""
        pooling = self.settings.tokenize.window_pooling
        return logits[0] if pooling == "first" else getattr(logits, pooling or "mean")(0)

    def decode(self, outputs: Outputs, features: Rows, examples: Rows, processor: Any) -> list:
        """Return the logits of each example, those of its windows pooled."""
        logits = outputs["logits"]
        if "example_id" not in features[0]:
            return list(logits)
        slices = windows.example_slices(features["example_id"], len(examples))
        return [self.pool(np.asarray(logits[part])) for part in slices]

    def prediction_columns(
        self, outputs: Outputs, features: Rows, examples: Rows, processor: Any
    ) -> Columns:
        logits = self.decode(outputs, features, examples, processor)
        several = self.target_type == "classes"
        rule = decisions.read(self.settings.evaluate, self.label_names, several=several)
        return label_predictions.prediction_columns(
            *(logits, self.label_names, self.target_type, rule),
            separator=label_predictions.label_separator(self.params),
        )
