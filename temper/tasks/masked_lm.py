"""Unlabelled texts → a model of their domain: hidden words are predicted from their context."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.params.schema import Settings
from temper.tasks.base import Baselines, Mode, Outputs, SplitData, Task, arrays, language, windows
from temper.tasks.base.arrays import Batch, Columns, Features, Rows

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PretrainedConfig

MASKED, RANDOM = 0.8, 0.1  # of the hidden tokens; the rest stays (Devlin et al. 2019)


class MaskedLM(Task):
    auto_model = "AutoModelForMaskedLM"
    special_tokens = ("mask_token",)
    pipeline_tag = "fill-mask"
    is_language_model = True
    packing = True

    def __init__(self, settings: Settings):
        super().__init__(settings)
        text = self.params.placeholder("a text with a")
        self.pipeline_input = json.dumps(f"{text} [MASK]", ensure_ascii=False)

    def is_labelled(self, features: "Dataset") -> bool:
        return True

    def encode(self, examples: Columns, processor: Any, *, mode: Mode) -> Columns:
        texts, size = [*self.params.read_text(examples)], self.settings.tokenize.max_length or 0
        encoded = windows.require_fast(processor, "masked_lm")(
            texts, padding=False, truncation=False, verbose=False
        )
        word_ids = [
            [-1 if word is None else word for word in encoded.word_ids(i)]
            for i in range(len(texts))
        ]
        columns = {"input_ids": encoded["input_ids"], "word_ids": word_ids}
        return windows.split_blocks(columns, size, pack=mode == "train")

    def collate(self, rows: Features, processor: Any, config: "PretrainedConfig") -> Batch:
        if "draw" not in rows[0]:  # in `temper predict` the user has set the masks
            return arrays.pad_texts(rows, processor, self.settings)
        ids, labels = zip(*(self.mask(row, processor) for row in rows), strict=True)
        batch = arrays.pad_texts([{"input_ids": row} for row in ids], processor, self.settings)
        return arrays.pad_labels(labels, batch, processor)  # (batch, tokens) each

    def mask(self, row: Mapping[str, Any], tokenizer: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return a row's tokens with some hidden, and its labels; drawn from `draw`."""
        random = np.random.default_rng(row["draw"])
        ids, words = np.array(row["input_ids"]), np.array(row["word_ids"])
        units = words if self.params.whole_word else np.where(words < 0, -1, np.arange(len(ids)))
        candidates = np.unique(units[units >= 0])
        drawn = candidates[random.random(len(candidates)) < self.params.mask_probability]
        if not len(drawn) and len(candidates):
            drawn = random.choice(candidates, 1)
        hidden, draw = np.isin(units, drawn), random.random(len(ids))
        random_ids = random.integers(0, len(tokenizer), len(ids))
        labels = np.where(hidden, ids, arrays.IGNORE_INDEX)
        ids = np.where(hidden & (draw < MASKED), tokenizer.mask_token_id, ids)
        replaced = hidden & (draw >= MASKED) & (draw < MASKED + RANDOM)
        return np.where(replaced, random_ids, ids), labels

    def reduce_logits(self, logits: Any, batch: Batch) -> Any:
        return super().reduce_logits(logits, batch) if "labels" in batch else logits.argmax(-1)

    def baselines(self, train: SplitData, splits: Mapping[str, SplitData]) -> Baselines:
        rows = zip(train.features["input_ids"], train.features["word_ids"], strict=True)
        counts = language.token_counts(
            [i for i, word in zip(ids, words, strict=True) if word >= 0] for ids, words in rows
        )
        nll, most_frequent = -np.log(counts / counts.sum()), int(counts.argmax())

        def unigram_stats(data: SplitData) -> list[np.ndarray]:
            stats = []
            for index, row in enumerate(data.features):
                labels = data.collate([row | {"draw": (0, index)}])["labels"][0]
                ids = np.minimum(labels[labels != arrays.IGNORE_INDEX], len(nll) - 1)
                stats.append(np.array([nll[ids].sum(), (ids == most_frequent).sum(), len(ids)]))
            return language.sum_by_example(stats, data.features, len(data.examples))

        return {"unigram": {split: unigram_stats(data) for split, data in splits.items()}}

    def decode(self, outputs: Outputs, features: Rows, examples: Rows, processor: Any) -> list:
        """Return the statistics of each example's hidden tokens."""
        return language.sum_by_example(outputs["logits"], features, len(examples))

    def prediction_columns(
        self, outputs: Outputs, features: Rows, examples: Rows, processor: Any
    ) -> Columns:
        """Return the texts with the likeliest token in place of each mask."""
        texts = []
        for part in windows.example_slices(features["example_id"], len(examples)):
            rows = zip(features["input_ids"][part], outputs["logits"][part], strict=True)
            ids = [
                int(likeliest) if token == processor.mask_token_id else token
                for tokens, likeliest_tokens in rows
                for token, likeliest in zip(tokens, likeliest_tokens, strict=False)
            ]
            texts.append(processor.decode(ids, skip_special_tokens=True))
        return {"prediction": texts}

    def format_value(self, value: Any) -> str:
        return language.format_stats(value)
