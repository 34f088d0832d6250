"""A context and any number of choices → the right one."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from temper.core.errors import InputError
from temper.params.schema import Settings
from temper.tasks.base import SplitData, Task, arrays
from temper.tasks.base.arrays import IGNORE_INDEX, Batch, Collator

NOWHERE = -1e4  # logit of a choice that only fills the batch


def build_task(settings: Settings) -> Task:
    return MultipleChoice(settings)


class MultipleChoice(Task):
    auto_model = "AutoModelForMultipleChoice"
    pipeline_tag = "multiple-choice"

    def label_feature(self, raw: Mapping[str, Any]) -> Any:
        from datasets import Value

        return Value("int32")

    def choices(self, examples: Any) -> list[list[str]]:
        """Return the choices of each example, without the stem."""
        columns = [examples[name] for name in self.params.choices]
        return (
            list(columns[0]) if len(columns) == 1 else [list(r) for r in zip(*columns, strict=True)]
        )

    def encode(self, examples: Mapping[str, list], processor: Any, *, mode: str) -> dict[str, list]:
        choices, contexts = self.choices(examples), examples[self.params.context]
        stems = examples[self.params.stem] if self.params.stem else [""] * len(choices)
        counts = [len(row) for row in choices]
        texts = [
            [text for text, n in zip(contexts, counts, strict=True) for _ in range(n)],
            [f"{s} {c}".strip() for s, row in zip(stems, choices, strict=True) for c in row],
        ]
        encoded = processor(
            *texts,
            truncation=True,
            max_length=self.settings.tokenize.max_length,
            padding=False,
        )
        ends = np.cumsum([0, *counts])
        columns = {
            name: [encoded[name][a:b] for a, b in pairwise(ends)]
            for name in ("input_ids", "token_type_ids")
            if name in encoded
        }
        columns["length"] = [max(map(len, row)) for row in columns["input_ids"]]
        whole = arrays.full_lengths(encoded, texts, processor)
        columns["full_length"] = [max(whole[a:b]) for a, b in pairwise(ends)]
        if self.params.label in examples:
            columns["labels"] = examples[self.params.label]
            for label, count in zip(columns["labels"], counts, strict=True):
                if label is not None and not 0 <= label < count:
                    raise InputError(
                        f"column {self.params.label!r}: choice {label} of {count}; they count from 0"
                    )
        return columns

    def collator(self, processor: Any, config: Any, augmentation: Any = None) -> Collator:
        def collate(rows: Sequence[Mapping[str, Any]]) -> Batch:
            most = max(len(row["input_ids"]) for row in rows)
            names = [name for name in ("input_ids", "token_type_ids") if name in rows[0]]
            filler = {"input_ids": [processor.pad_token_id or 0], "token_type_ids": [0]}
            flat = [
                {
                    name: row[name][i] if i < len(row["input_ids"]) else filler[name]
                    for name in names
                }
                for row in rows
                for i in range(most)
            ]
            batch, _ = arrays.pad_texts(flat, processor, self.settings)
            batch = {name: v.reshape(len(rows), most, -1) for name, v in batch.items()}
            if "labels" in rows[0]:
                labels = [IGNORE_INDEX if row["labels"] is None else row["labels"] for row in rows]
                batch["labels"] = np.array(labels)
            return batch  # (batch, choices, tokens); a choice of one token only fills up

        return collate

    def logits(self, outputs: Any, batch: Mapping[str, Any]) -> Any:
        is_filler = batch["attention_mask"].sum(-1) <= 1
        return outputs.logits.masked_fill(is_filler, NOWHERE)  # (batch, choices)

    def unpad(self, kept: np.ndarray, rows: Sequence[Mapping[str, Any]]) -> Sequence[np.ndarray]:
        return [one[: len(row["input_ids"])] for one, row in zip(kept, rows, strict=True)]

    def score(
        self, outputs: Sequence[np.ndarray], features: Any, scores: Callable[..., dict]
    ) -> dict[str, float]:
        labels = list(features["labels"])
        losses = [-arrays.log_softmax(o)[y] for o, y in zip(outputs, labels, strict=True)]
        chosen = [int(logits.argmax()) for logits in outputs]
        return {"loss": float(np.mean(losses)), **scores(chosen, labels)}

    def baselines(
        self, train: SplitData, others: Mapping[str, SplitData]
    ) -> dict[str, dict[str, list]]:
        found: dict[str, dict[str, list]] = {"longest_choice": {}, "word_overlap": {}}
        for split, part in others.items():
            choices = self.choices(part.examples)
            found["longest_choice"][split] = [
                int(np.argmax([len(text) for text in row])) for row in choices
            ]
            found["word_overlap"][split] = [
                int(np.argmax([shared(context, text) for text in row]))
                for context, row in zip(part.examples[self.params.context], choices, strict=True)
            ]
        return found

    def decode(
        self, outputs: Mapping[str, Sequence], features: Any, examples: Any, processor: Any
    ) -> list:
        """Return the number of the choice with the highest logit."""
        return [int(np.argmax(logits)) for logits in outputs["logits"]]

    def predict(
        self, outputs: Mapping[str, Sequence], features: Any, examples: Any, processor: Any
    ) -> dict[str, list]:
        chosen = self.decode(outputs, features, examples, processor)
        probabilities = [
            np.exp(arrays.log_softmax(logits)).round(6) for logits in outputs["logits"]
        ]
        texts = [row[i] for row, i in zip(self.choices(examples), chosen, strict=True)]
        return {
            "prediction": chosen,
            "choice": texts,
            "score": [float(row.max()) for row in probabilities],
            "scores": [row.tolist() for row in probabilities],
        }

    def snippet(self) -> str:
        return arrays.auto_snippet(
            self.auto_model,
            'choices = ["one ending", "another ending"]',
            'inputs = tokenizer(["a context"] * 2, choices, padding=True, return_tensors="pt")',
            "model(**{name: values[None] for name, values in inputs.items()}).logits.argmax()",
        )


def shared(one: str, other: str) -> float:
    """Return the share of the second text's words that stand in the first."""
    words = other.lower().split()
    return len(set(words) & set(one.lower().split())) / max(len(set(words)), 1)
