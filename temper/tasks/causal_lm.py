"""Texts → a model that continues them; or prompts → completions, the prompt not learned."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from temper.params.schema import Settings
from temper.tasks.base import SplitData, Task, arrays
from temper.tasks.base.arrays import IGNORE_INDEX, Batch, Collator


def build_task(settings: Settings) -> Task:
    return CausalLM(settings)


class CausalLM(Task):
    auto_model = "AutoModelForCausalLM"
    pipeline_tag = "text-generation"
    is_language_model = True

    predict_outputs_needed = ("tokens",)

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.packing = self.params.prompt is None
        self.outputs_needed = ("logits",) if self.packing else ("logits", "tokens")

    def is_labelled(self, features: Any) -> bool:
        if self.packing:
            return True
        sizes = zip(features["length"][:1000], features["prompt_length"][:1000], strict=True)
        return any(size > prompt for size, prompt in sizes)

    def encode(self, examples: Mapping[str, list], processor: Any, *, mode: str) -> dict[str, list]:
        size, end = self.settings.tokenize.max_length or 0, [processor.eos_token_id]
        texts = examples.get(self.params.text)
        if self.params.prompt is None and mode == "predict":
            ids = [row[-size:] for row in processor(texts, padding=False)["input_ids"]]
            lengths = [len(row) for row in ids]
            return {"input_ids": ids, "length": lengths, "full_length": lengths}
        if self.params.prompt is None:
            ids = processor(texts, padding=False, truncation=False, verbose=False)["input_ids"]
            return arrays.blocks(
                {"input_ids": [[*row, *end] for row in ids]}, size, pack=mode == "train"
            )
        prompts = processor(
            examples[self.params.prompt], padding=False, truncation=False, verbose=False
        )["input_ids"]
        full, lengths = [list(ids) for ids in prompts], [len(ids) for ids in prompts]
        if texts is not None and texts[0] is not None:
            rest = processor(texts, add_special_tokens=False, padding=False)["input_ids"]
            full = [[*a, *b, *end] for a, b in zip(full, rest, strict=True)]
        return {
            "input_ids": [ids[:size] for ids in full],
            "length": [min(len(ids), size) for ids in full],
            "full_length": [len(ids) for ids in full],
            "prompt_length": [min(n, size) for n in lengths],
            "example_id": list(range(len(full))),
        }

    def collator(self, processor: Any, config: Any, augmentation: Any = None) -> Collator:
        def collate(rows: Sequence[Mapping[str, Any]]) -> Batch:
            width = arrays.padded_length((len(row["input_ids"]) for row in rows), self.settings)
            ids = [row["input_ids"] for row in rows]
            mask = arrays.pad([np.ones(len(row)) for row in ids], width, 0)
            batch = {"input_ids": arrays.pad(ids, width, processor.pad_token_id or 0)}
            batch["attention_mask"] = mask  # (batch, tokens); always padded on the right
            wanted = [
                [
                    IGNORE_INDEX if i < row.get("prompt_length", 1) else t
                    for i, t in enumerate(tokens)
                ][1:]
                for row, tokens in zip(rows, ids, strict=True)
            ]
            batch["labels"] = arrays.pad(
                wanted, width, IGNORE_INDEX
            )  # of the token before: shifted here
            return batch

        return collate

    def prompts(self, rows: Sequence[Mapping[str, Any]], processor: Any) -> Batch:
        """Return the prompts alone, padded on the left, for generation."""
        ids = [row["input_ids"][: row.get("prompt_length", len(row["input_ids"]))] for row in rows]
        width = max(len(row) for row in ids)
        mask = arrays.pad([np.ones(len(row)) for row in ids], width, 0, left=True)
        return {
            "input_ids": arrays.pad(ids, width, processor.pad_token_id or 0, left=True),
            "attention_mask": mask,
        }

    def baselines(
        self, train: SplitData, others: Mapping[str, SplitData]
    ) -> dict[str, dict[str, list]]:
        """Return the bigram model's -log p, or the most frequent completion."""
        if self.params.prompt is not None:
            known = Counter(train.examples[self.params.text]).most_common(1)[0][0]
            answers = {split: [(known, None)] * len(p.examples) for split, p in others.items()}
            return {"most_frequent_completion": answers}
        counts = arrays.token_counts(train.features["input_ids"])
        probabilities = counts / counts.sum()
        pairs: dict[int, Counter] = defaultdict(Counter)
        for ids in train.features["input_ids"]:
            for one, other in pairwise(ids):
                pairs[one][other] += 1

        @cache
        def known_of(token: int) -> tuple[int, int, int]:
            """Return how many successors were seen, how many different ones, the usual one."""
            seen = pairs[token]
            return seen.total(), len(seen), seen.most_common(1)[0][0] if seen else -1

        def judged(ids: Sequence[int]) -> np.ndarray:
            total = np.zeros(3)
            for one, other in pairwise(ids):
                size, kinds, usual = known_of(one)
                # Witten-Bell: as many parts unigram as there are different successors
                share = kinds / (size + kinds) if kinds else 1.0
                unigram = probabilities[min(other, len(probabilities) - 1)]
                chance = share * unigram + (1 - share) * pairs[one][other] / max(size, 1)
                total += (-np.log(chance), usual == other, 1)
            return total

        found = {
            split: arrays.summed(
                [judged(ids) for ids in part.features["input_ids"]],
                part.features,
                len(part.examples),
            )
            for split, part in others.items()
        }
        return {"bigram": found}

    def decode(
        self, outputs: Mapping[str, Sequence], features: Any, examples: Any, processor: Any
    ) -> list:
        """Return each text's token statistics; with prompts what was written comes first."""
        found = arrays.summed(outputs["logits"], features, len(examples))
        if "tokens" not in outputs:
            return found
        texts = processor.batch_decode(outputs["tokens"], skip_special_tokens=True)
        return list(zip(texts, found, strict=True))

    def predict(
        self, outputs: Mapping[str, Sequence], features: Any, examples: Any, processor: Any
    ) -> dict[str, list]:
        return {"prediction": processor.batch_decode(outputs["tokens"], skip_special_tokens=True)}

    def snippet(self) -> str:
        return arrays.pipeline_snippet(self.pipeline_tag, '"a prompt"')

    def format_value(self, value: Any) -> str:
        if isinstance(value, tuple):
            return value[0]
        return value if isinstance(value, str) else arrays.shown_statistics(value)
