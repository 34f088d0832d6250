"""Unlabelled texts → a model of their domain: hidden words are guessed from their neighbours."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from temper.params.schema import Settings
from temper.tasks.base import SplitData, Task, arrays
from temper.tasks.base.arrays import IGNORE_INDEX, Batch, Collator

MASKED, RANDOM = 0.8, 0.1  # of the chosen tokens; the rest stays (Devlin et al. 2019)


def build_task(settings: Settings) -> Task:
    return MaskedLM(settings)


class MaskedLM(Task):
    auto_model = "AutoModelForMaskedLM"
    pipeline_tag = "fill-mask"
    is_language_model = True
    packing = True

    def is_labelled(self, features: Any) -> bool:
        return True

    def encode(self, examples: Mapping[str, list], processor: Any, *, mode: str) -> dict[str, list]:
        texts, size = examples[self.params.text], self.settings.tokenize.max_length or 0
        encoded = arrays.fast(processor, "masked_lm")(
            texts, padding=False, truncation=False, verbose=False
        )
        words = [
            [-1 if word is None else word for word in encoded.word_ids(i)]
            for i in range(len(texts))
        ]
        columns = {"input_ids": encoded["input_ids"], "word_ids": words}
        return arrays.blocks(columns, size, pack=mode == "train")

    def collator(self, processor: Any, config: Any, augmentation: Any = None) -> Collator:
        def collate(rows: Sequence[Mapping[str, Any]]) -> Batch:
            if "draw" not in rows[0]:  # in `temper predict` the user has set the masks
                return arrays.pad_texts(rows, processor, self.settings)[0]
            hidden = [self.hide(row, processor) for row in rows]
            inputs = [{"input_ids": ids} for ids, _ in hidden]
            batch, left = arrays.pad_texts(inputs, processor, self.settings)
            width = batch["input_ids"].shape[1]
            batch["labels"] = arrays.pad(
                [wanted for _, wanted in hidden], width, IGNORE_INDEX, left=left
            )
            return batch  # (batch, tokens) each

        return collate

    def hide(self, row: Mapping[str, Any], processor: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return a row's tokens with some hidden, and what is to be guessed; drawn from `draw`."""
        random = np.random.default_rng(row["draw"])
        ids, words = np.array(row["input_ids"]), np.array(row["word_ids"])
        units = words if self.params.whole_word else np.where(words < 0, -1, np.arange(len(ids)))
        known = np.unique(units[units >= 0])
        drawn = known[random.random(len(known)) < self.params.mask_probability]
        if not len(drawn) and len(known):
            drawn = random.choice(known, 1)
        chosen, chance = np.isin(units, drawn), random.random(len(ids))
        other = random.integers(0, len(processor), len(ids))
        labels = np.where(chosen, ids, IGNORE_INDEX)
        ids = np.where(chosen & (chance < MASKED), processor.mask_token_id, ids)
        replaced = chosen & (chance >= MASKED) & (chance < MASKED + RANDOM)
        return np.where(replaced, other, ids), labels

    def reduce_logits(self, logits: Any, batch: Batch) -> Any:
        return super().reduce_logits(logits, batch) if "labels" in batch else logits.argmax(-1)

    def baselines(
        self, train: SplitData, others: Mapping[str, SplitData]
    ) -> dict[str, dict[str, list]]:
        rows = zip(train.features["input_ids"], train.features["word_ids"], strict=True)
        counts = arrays.token_counts(
            [i for i, word in zip(ids, words, strict=True) if word >= 0] for ids, words in rows
        )
        nll, usual = -np.log(counts / counts.sum()), int(counts.argmax())

        def judged(part: SplitData) -> list[np.ndarray]:
            rows = []
            for index, row in enumerate(part.features):
                labels = part.collate([row | {"draw": (0, index)}])["labels"][0]
                ids = np.minimum(labels[labels != IGNORE_INDEX], len(nll) - 1)
                rows.append(np.array([nll[ids].sum(), (ids == usual).sum(), len(ids)]))
            return arrays.summed(rows, part.features, len(part.examples))

        return {"unigram": {split: judged(part) for split, part in others.items()}}

    def decode(
        self, outputs: Mapping[str, Sequence], features: Any, examples: Any, processor: Any
    ) -> list:
        """Return -log p, hits and number of each example's hidden tokens."""
        return arrays.summed(outputs["logits"], features, len(examples))

    def predict(
        self, outputs: Mapping[str, Sequence], features: Any, examples: Any, processor: Any
    ) -> dict[str, list]:
        """Return the texts with the likeliest token in place of each mask."""
        found = []
        for part in arrays.groups(features["example_id"], len(examples)):
            rows = zip(features["input_ids"][part], outputs["logits"][part], strict=True)
            ids = [
                int(guess) if token == processor.mask_token_id else token
                for tokens, guesses in rows
                for token, guess in zip(tokens, guesses, strict=False)
            ]
            found.append(processor.decode(ids, skip_special_tokens=True))
        return {"prediction": found}

    def snippet(self) -> str:
        return arrays.pipeline_snippet(self.pipeline_tag, '"a text with a [MASK]"')

    def format_value(self, value: Any) -> str:
        return arrays.shown_statistics(value)
