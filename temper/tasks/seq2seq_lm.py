"""A text → another text: a summary, a translation."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from temper.core.errors import InputError
from temper.params.schema import Settings
from temper.tasks.base import SplitData, Task, arrays
from temper.tasks.base.arrays import IGNORE_INDEX, Batch, Collator

SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
LEAD = 3


def build_task(settings: Settings) -> Task:
    return Seq2SeqLM(settings)


class Seq2SeqLM(Task):
    auto_model = "AutoModelForSeq2SeqLM"
    is_language_model = True
    outputs_needed = ("tokens",)

    predict_outputs_needed = ("tokens",)

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.pipeline_tag = self.params.problem_type

    def encode(self, examples: Mapping[str, list], processor: Any, *, mode: str) -> dict[str, list]:
        tokenize = self.settings.tokenize
        sources = [self.params.prefix + text for text in examples[self.params.source]]
        encoded = processor(sources, truncation=True, max_length=tokenize.max_length)
        columns = {
            "input_ids": encoded["input_ids"],
            "length": [len(ids) for ids in encoded["input_ids"]],
            "full_length": arrays.full_lengths(encoded, [sources], processor),
        }
        targets = examples.get(self.params.target_text)
        if targets is not None and targets[0] is not None:
            columns["labels"] = processor(
                text_target=targets, truncation=True, max_length=tokenize.max_target_length
            )["input_ids"]
        return columns

    def label_feature(self, raw: Mapping[str, Any]) -> Any:
        from datasets import List, Value

        return List(Value("int32"))

    def collator(self, processor: Any, config: Any, augmentation: Any = None) -> Collator:
        start = config.decoder_start_token_id
        if start is None:
            raise InputError(
                "the model's config has no decoder_start_token_id; set it under model.config"
            )

        def collate(rows: Sequence[Mapping[str, Any]]) -> Batch:
            batch, _ = arrays.pad_texts(rows, processor, self.settings)
            if "labels" in rows[0]:
                labels = [row["labels"] or [] for row in rows]
                width = max(1, *map(len, labels))
                if self.settings.tokenize.padding == "max_length":
                    width = self.settings.tokenize.max_target_length or width
                before = [[start, *ids[:-1]] for ids in labels]
                pad = processor.pad_token_id or 0
                batch["decoder_input_ids"] = arrays.pad(
                    before, width, pad
                )  # (batch, target tokens)
                batch["labels"] = arrays.pad(labels, width, IGNORE_INDEX)
            return batch

        return collate

    def prompts(self, rows: Sequence[Mapping[str, Any]], processor: Any) -> Batch:
        """Return the sources alone, for generation."""
        return arrays.pad_texts(rows, processor, self.settings)[0]

    def baselines(
        self, train: SplitData, others: Mapping[str, SplitData]
    ) -> dict[str, dict[str, list]]:
        sources = {split: list(part.examples[self.params.source]) for split, part in others.items()}
        if self.params.problem_type == "translation":
            return {"copy": sources}
        lead = {
            split: ["".join(SENTENCE.findall(text)[:LEAD]).strip() for text in texts]
            for split, texts in sources.items()
        }
        return {f"lead_{LEAD}": lead}

    def decode(
        self, outputs: Mapping[str, Sequence], features: Any, examples: Any, processor: Any
    ) -> list:
        """Return the text that was written for each example."""
        return processor.batch_decode(outputs["tokens"], skip_special_tokens=True)

    def snippet(self) -> str:
        limit = getattr(self.settings.evaluate.generation, "max_new_tokens", 128)
        return arrays.auto_snippet(
            self.auto_model,
            f'inputs = tokenizer("{self.params.prefix}a text", return_tensors="pt")',
            f"written = model.generate(**inputs, max_new_tokens={limit})",
            "tokenizer.decode(written[0], skip_special_tokens=True)",
        )
