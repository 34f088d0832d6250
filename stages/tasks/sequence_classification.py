"""Single texts or pairs → one label, several labels or a number (`problem_type`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stages.params import TaskParams
from stages.tasks.base import IGNORED, Batch, Collator, Task


def make(params: TaskParams) -> Task:
    return SequenceClassification(params)


class SequenceClassification(Task):
    auto_model = "AutoModelForSequenceClassification"
    pipeline_tag = "text-classification"

    def __init__(self, params: TaskParams):
        self.params = params

    @property
    def columns(self) -> tuple[str, ...]:
        return self.params.text

    def label_names(self, features: Mapping[str, Any]) -> list[str] | None:
        feature = features.get("labels", features.get(self.params.label))
        names = getattr(getattr(feature, "feature", feature), "names", None)
        return list(names) if names else None

    def num_outputs(self, features: Mapping[str, Any]) -> int:
        names = self.label_names(features)
        return len(names) if names else 1

    def features(self, raw: Mapping[str, Any], has_token_types: bool) -> Any:
        from datasets import Features, List, Value

        columns: dict[str, Any] = {"input_ids": List(Value("int32")), "length": Value("int32")}
        if has_token_types:
            columns["token_type_ids"] = List(Value("int8"))
        if self.params.label in raw:
            columns["labels"] = raw[self.params.label]
        return Features(columns)

    def encode(
        self, examples: Mapping[str, list], processor: Any, max_length: int
    ) -> dict[str, list]:
        texts = [examples[column] for column in self.params.text]
        encoded = processor(*texts, truncation=True, max_length=max_length, padding=False)
        columns = {"input_ids": encoded["input_ids"]}
        if "token_type_ids" in encoded:
            columns["token_type_ids"] = encoded["token_type_ids"]
        columns["length"] = [len(ids) for ids in encoded["input_ids"]]
        columns["full_length"] = _full_lengths(encoded, texts, processor)
        if self.params.label in examples:
            columns["labels"] = examples[self.params.label]
        return columns

    def collator(
        self, processor: Any, *, num_outputs: int, max_length: int | None, multiple_of: int
    ) -> Collator:
        left = processor.padding_side == "left"
        pads = {"input_ids": processor.pad_token_id or 0, "token_type_ids": 0}

        def collate(rows: Sequence[Mapping[str, Any]]) -> Batch:
            lengths = np.array([len(row["input_ids"]) for row in rows])
            width = max_length or -(-int(lengths.max()) // multiple_of) * multiple_of
            position = np.arange(width)
            start = (width - lengths if left else np.zeros_like(lengths))[:, None]
            mask = (position >= start) & (position < start + lengths[:, None])
            batch: Batch = {}
            for name, pad in pads.items():
                if name in rows[0]:
                    values = np.full((len(rows), width), pad, dtype=np.int64)
                    values[mask] = np.concatenate([np.asarray(row[name]) for row in rows])
                    batch[name] = values  # (batch, tokens)
            batch["attention_mask"] = mask.astype(np.int64)  # (batch, tokens)
            if "labels" in rows[0]:
                batch["labels"] = self._labels([row["labels"] for row in rows], num_outputs)
            return batch

        return collate

    def _labels(self, labels: Sequence[Any], num_outputs: int) -> np.ndarray:
        """Return ids (batch,), multi-hot rows (batch, labels) or numbers (batch,)."""
        if self.params.problem_type == "regression":
            return np.array([np.nan if y is None else y for y in labels], dtype=np.float32)
        if self.params.problem_type == "single_label_classification":
            ids = np.array([IGNORED if y is None else y for y in labels], dtype=np.int64)
            return np.where(ids < 0, IGNORED, ids)
        hot = np.zeros((len(labels), num_outputs), dtype=np.float32)
        for row, ids in zip(hot, labels, strict=True):
            row[:] = np.nan if ids is None else 0.0
            row[list(ids or ())] = 1.0
        return hot


def _full_lengths(encoded: Any, texts: Sequence[Sequence[str]], processor: Any) -> list[int]:
    """Return the tokens each row would have had without truncation."""
    lengths = [len(ids) for ids in encoded["input_ids"]]
    if encoded.encodings is None:  # a slow tokenizer does not say what it cut
        cut = list(range(len(lengths)))
    else:
        cut = [i for i, row in enumerate(encoded.encodings) if row.overflowing]
    if cut:
        whole = processor(*([column[i] for i in cut] for column in texts), padding=False)
        for i, ids in zip(cut, whole["input_ids"], strict=True):
            lengths[i] = len(ids)
    return lengths
