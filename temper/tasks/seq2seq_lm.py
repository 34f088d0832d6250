"""A text → another text: a summary, a translation."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from temper.core.errors import InputError
from temper.params.schema import Settings
from temper.tasks.base import Baselines, Mode, Outputs, SplitData, Task, arrays
from temper.tasks.base.arrays import IGNORE_INDEX, Batch, Collator, Rows
from temper.tasks.base.snippets import auto_model_snippet
from temper.tasks.base.texts import encode_texts

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from temper.params.train import Augmentation

SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
LEAD = 3


def build_task(settings: Settings) -> Task:
    return Seq2SeqLM(settings)


class Seq2SeqLM(Task):
    auto_model = "AutoModelForSeq2SeqLM"
    special_tokens = ("eos_token",)
    is_language_model = True
    outputs_needed = ("tokens",)
    predict_outputs_needed = ("tokens",)

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.pipeline_tag = self.params.problem_type

    def encode(
        self, examples: Mapping[str, list], processor: "PreTrainedTokenizerBase", *, mode: Mode
    ) -> dict[str, list]:
        tokenize = self.settings.tokenize
        sources = [self.params.prefix + text for text in examples[self.params.source]]
        columns = encode_texts(processor, [sources], tokenize.max_length)
        columns.pop("token_type_ids", None)
        targets = examples.get(self.params.target_text)
        if targets is not None and targets[0] is not None:
            columns["labels"] = processor(
                text_target=targets, truncation=True, max_length=tokenize.max_target_length
            )["input_ids"]
        return columns

    def label_feature(self, raw: Mapping[str, Any]) -> Any:
        from datasets import List, Value

        return List(Value("int32"))

    def collator(
        self,
        processor: "PreTrainedTokenizerBase",
        config: "PretrainedConfig",
        augmentation: "Augmentation | None" = None,
    ) -> Collator:
        start: Any = config.decoder_start_token_id
        if start is None:
            raise InputError(
                "the model's config has no decoder_start_token_id; set it under model.config"
            )

        def collate(rows: Sequence[Mapping[str, Any]]) -> Batch:
            batch = arrays.pad_texts(rows, processor, self.settings)
            if "labels" in rows[0]:
                labels = [row["labels"] or [] for row in rows]
                length = max(1, *map(len, labels))
                if self.settings.tokenize.padding == "max_length":
                    length = self.settings.tokenize.max_target_length or length
                shifted = [[start, *ids[:-1]] for ids in labels]
                pad_id = arrays.pad_id(processor)
                batch["decoder_input_ids"] = arrays.pad(shifted, length, pad_id)
                batch["labels"] = arrays.pad(labels, length, IGNORE_INDEX)
            return batch  # (batch, tokens) and (batch, target tokens)

        return collate

    def prompts(
        self, features: Sequence[Mapping[str, Any]], tokenizer: "PreTrainedTokenizerBase"
    ) -> Batch:
        """Return the sources alone."""
        return arrays.pad_texts(features, tokenizer, self.settings)

    def baselines(self, train: SplitData, splits: Mapping[str, SplitData]) -> Baselines:
        """Return the sources, or the first sentences of them."""
        sources = {split: list(data.examples[self.params.source]) for split, data in splits.items()}
        if self.params.problem_type == "translation":
            return {"copy": sources}
        lead = {
            split: ["".join(SENTENCE.findall(text)[:LEAD]).strip() for text in texts]
            for split, texts in sources.items()
        }
        return {f"lead_{LEAD}": lead}

    def decode(
        self, outputs: Outputs, features: Rows, examples: Rows, processor: "PreTrainedTokenizerBase"
    ) -> list:
        """Return the text that was generated for each example."""
        return processor.batch_decode(outputs["tokens"], skip_special_tokens=True)

    def snippet(self) -> str:
        generation = self.settings.evaluate.generation
        limit = 128 if generation is None else generation.max_new_tokens
        text = json.dumps(f"{self.params.prefix}a text", ensure_ascii=False)  # as Python writes it
        return auto_model_snippet(
            self.auto_model,
            f'inputs = tokenizer({text}, return_tensors="pt")',
            f"written = model.generate(**inputs, max_new_tokens={limit})",
            "tokenizer.decode(written[0], skip_special_tokens=True)",
        )
