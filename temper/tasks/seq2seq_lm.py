"""A text → another text: a summary, a translation."""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from temper.core.errors import InputError
from temper.params.schema import Settings
from temper.tasks.base import Baselines, Mode, Outputs, SplitData, Task, arrays, language
from temper.tasks.base.arrays import Batch, Columns, Features, Rows
from temper.tasks.base.texts import encode_texts, shorten_rows

if TYPE_CHECKING:
    from transformers import PretrainedConfig

SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
LEAD = 3


class Seq2SeqLM(Task):
    auto_model = "AutoModelForSeq2SeqLM"
    special_tokens = ("eos_token",)
    is_language_model = True
    outputs_needed = ("tokens",)
    prediction_output = "tokens"

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.pipeline_tag = self.params.problem_type

    def encode(self, examples: Columns, processor: Any, *, mode: Mode) -> Columns:
        tokenize = self.settings.tokenize
        sources = [self.params.prefix + text for text in self.params.read_text(examples)]
        columns = encode_texts(processor, [sources], tokenize.max_length)
        shorten_rows(processor, columns, self.params, examples, tokenize.max_length)
        columns.pop("token_type_ids", None)
        targets = examples.get(self.params.target_text)
        if targets is not None and targets[0] is not None:
            columns["labels"] = processor(
                text_target=targets, truncation=True, max_length=tokenize.max_target_length
            )["input_ids"]
        return columns

    def configure(self, config: "PretrainedConfig", types: Mapping[str, Any]) -> None:
        if getattr(config, "decoder_start_token_id", None) is None:
            raise InputError(
                "the model's config has no decoder_start_token_id; set it under model.config"
            )

    def label_type(self, raw: Mapping[str, Any]) -> Any:
        from datasets import List, Value

        return List(Value("int32"))

    def collate(self, rows: Features, processor: Any, config: "PretrainedConfig") -> Batch:
        batch = arrays.pad_texts(rows, processor, self.settings)
        if "labels" in rows[0]:
            labels = [row["labels"] or [] for row in rows]
            length = max(1, *map(len, labels))
            if self.settings.tokenize.padding == "max_length":
                length = self.settings.tokenize.max_target_length or length
            shifted = [[config.decoder_start_token_id, *ids[:-1]] for ids in labels]
            batch["decoder_input_ids"] = arrays.pad(shifted, length, arrays.pad_id(processor))
            batch["labels"] = arrays.pad(labels, length, arrays.IGNORE_INDEX)
        return batch  # (batch, tokens) and (batch, target tokens)

    def prompts(self, features: Features, tokenizer: Any) -> Batch:
        """Return the sources alone."""
        return arrays.pad_texts(features, tokenizer, self.settings)

    def baselines(self, train: SplitData, splits: Mapping[str, SplitData]) -> Baselines:
        """Return the sources, or the first sentences of them."""
        sources = {s: [*self.params.read_text(data.examples)] for s, data in splits.items()}
        if self.params.problem_type == "translation":
            return {"copy": sources}
        lead = {
            split: ["".join(SENTENCE.findall(text)[:LEAD]).strip() for text in texts]
            for split, texts in sources.items()
        }
        return {f"lead_{LEAD}": lead}

    def decode(self, outputs: Outputs, features: Rows, examples: Rows, processor: Any) -> list:
        """Return the text that was generated for each example."""
        return processor.batch_decode(outputs["tokens"], skip_special_tokens=True)

    def snippet(self) -> str:
        text = self.params.prefix + self.params.placeholder("a text")
        text = json.dumps(text, ensure_ascii=False)  # as Python writes it
        return self.auto_model_snippet(
            f'inputs = tokenizer({text}, return_tensors="pt")',
            f"written = model.generate(**inputs{language.generate_arguments(self.settings)})",
            "tokenizer.decode(written[0], skip_special_tokens=True)",
        )
