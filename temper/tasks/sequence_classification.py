"""Single texts or pairs → one label, several labels or a number (`problem_type`)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from temper.core.errors import InputError
from temper.params.schema import Settings
from temper.tasks.base import Task, arrays
from temper.tasks.base.arrays import IGNORE_INDEX, Batch, Collator


def build_task(settings: Settings) -> Task:
    return SequenceClassification(settings)


class SequenceClassification(Task):
    auto_model = "AutoModelForSequenceClassification"
    pipeline_tag = "text-classification"

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.kind = self.params.target[1]
        losses = {"classes": "binary_cross_entropy", "number": "squared_error"}
        self.loss = losses.get(self.kind, "cross_entropy")

    def num_outputs(self, features: Mapping[str, Any]) -> int:
        return len(self.read_label_names(features) or [0])

    def configure(self, config: Any, features: Mapping[str, Any]) -> None:
        super().configure(config, features)
        config.problem_type = self.params.problem_type

    def label_feature(self, raw: Mapping[str, Any]) -> Any:
        return raw[self.params.label]

    def encode(self, examples: Mapping[str, list], processor: Any, *, mode: str) -> dict[str, list]:
        texts = [examples[column] for column in self.params.text]
        tokenize = self.settings.tokenize
        windows: dict[str, Any] = {}
        if tokenize.overflow == "window":
            arrays.fast(processor, "tokenize.overflow: window")
            windows = {"return_overflowing_tokens": True, "stride": tokenize.stride}
        how = "only_second" if windows and len(texts) == 2 else True
        if how == "only_second":
            self.check_room(texts[0], processor)
        encoded = processor(
            *texts, truncation=how, max_length=tokenize.max_length, padding=False, **windows
        )
        columns = {"input_ids": encoded["input_ids"]}
        if "token_type_ids" in encoded:
            columns["token_type_ids"] = encoded["token_type_ids"]
        columns["length"] = [len(ids) for ids in encoded["input_ids"]]
        if windows:
            columns["example_id"] = encoded["overflow_to_sample_mapping"]
            columns["full_length"] = columns["length"]  # nothing is cut
        else:
            columns["full_length"] = arrays.full_lengths(encoded, texts, processor)
        if self.params.label in examples:
            labels = examples[self.params.label]
            columns["labels"] = [labels[i] for i in columns.get("example_id", range(len(labels)))]
        return columns

    def check_room(self, texts: Sequence[str], processor: Any) -> None:
        """Refuse a pair's first text, which stands in every window, if it fills them.

        Raises:
            InputError: names the longest.
        """
        p, encoded = self.settings.tokenize, processor(list(texts), add_special_tokens=False)
        lengths = [len(ids) for ids in encoded["input_ids"]]
        taken = (p.stride or 0) + processor.num_special_tokens_to_add(pair=True)
        room, longest = (p.max_length or 0) - taken, int(np.argmax(lengths))
        if lengths[longest] >= room:
            raise InputError(
                f"column {self.params.text[0]}: {texts[longest][:40]!r}… has {lengths[longest]} "
                f"tokens and stands in every window of {p.max_length}, which overlap by {p.stride}:"
                f" fewer than {room} are allowed; raise tokenize.max_length, put the longer text "
                "second in task.text, or set tokenize.overflow: truncate"
            )

    def collator(self, processor: Any, config: Any, augmentation: Any = None) -> Collator:
        def collate(rows: Sequence[Mapping[str, Any]]) -> Batch:
            batch, _ = arrays.pad_texts(rows, processor, self.settings)
            if "labels" in rows[0]:
                batch["labels"] = self.targets([row["labels"] for row in rows], config.num_labels)
            return batch

        return collate

    def targets(self, labels: Sequence[Any], num_labels: int) -> np.ndarray:
        """Return ids (batch,), multi-hot rows (batch, labels) or numbers (batch,)."""
        if self.kind == "number":
            return np.array([np.nan if y is None else y for y in labels], dtype=np.float32)
        if self.kind == "class":
            ids = np.array([IGNORE_INDEX if y is None else y for y in labels], dtype=np.int64)
            return np.where(ids < 0, IGNORE_INDEX, ids)
        hot = np.zeros((len(labels), num_labels), dtype=np.float32)
        for row, ids in zip(hot, labels, strict=True):
            row[:] = np.nan if ids is None else 0.0
            row[list(ids or ())] = 1.0
        return hot

    def hard_prediction(self, output: np.ndarray, feature: Mapping[str, Any]) -> np.ndarray:
        return output > 0 if self.kind == "classes" else output.argmax(-1)

    def score(
        self, outputs: Sequence[np.ndarray], features: Any, scores: Callable[..., dict]
    ) -> dict[str, float]:

        logits, labels = np.asarray(outputs, dtype=np.float64), list(features["labels"])
        if "example_id" in features[0]:
            ids = np.unique(features["example_id"], return_inverse=True)[1]
            parts = list(arrays.groups(ids, int(ids[-1]) + 1))
            logits = np.stack([self.pool(logits[part]) for part in parts])
            labels = [labels[part.start] for part in parts]
        names, positive = self.label_names, self.settings.evaluate.positive_label
        return scores(
            logits,
            self.targets(labels, len(names)),
            positive=names.index(positive) if positive in names else None,
        )

    def pool(self, logits: np.ndarray) -> np.ndarray:
        """Return a document's logits (outputs,) from its windows' (windows, outputs)."""
        pool = self.settings.tokenize.window_pooling
        return logits[0] if pool == "first" else getattr(logits, pool or "mean")(0)

    def decode(
        self, outputs: Mapping[str, Sequence], features: Any, examples: Any, processor: Any
    ) -> list:
        """Return one array of logits per example, its windows pooled."""
        logits = outputs["logits"]
        if "example_id" not in features[0]:
            return list(logits)
        parts = arrays.groups(features["example_id"], len(examples))
        return [self.pool(np.asarray(logits[part])) for part in parts]

    def predict(
        self, outputs: Mapping[str, Sequence], features: Any, examples: Any, processor: Any
    ) -> dict[str, list]:
        logits = self.decode(outputs, features, examples, processor)
        threshold = arrays.thresholds(self.settings.evaluate.threshold, self.label_names)
        return arrays.label_columns(logits, self.label_names, self.kind, threshold)

    def snippet(self) -> str:
        pair = len(self.params.text) == 2
        call = '{"text": "first text", "text_pair": "second text"}' if pair else '"a text"'
        return arrays.pipeline_snippet(self.pipeline_tag, call)
