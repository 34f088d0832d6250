"""Texts → a model that continues them; or prompts → completions, with no loss on the prompt.

Conversations are prompts with several completions, the assistant's answers.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from temper.core.errors import InputError
from temper.params.schema import Settings
from temper.params.task import ANSWER
from temper.tasks.base import (
    Baselines,
    Mode,
    Outputs,
    SplitData,
    Task,
    arrays,
    chat_template,
    conversations,
    language,
    windows,
)
from temper.tasks.base.arrays import Batch, Columns, Features, Rows
from temper.tasks.base.texts import shortened

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PretrainedConfig


class CausalLM(Task):
    auto_model = "AutoModelForCausalLM"
    pipeline_tag = "text-generation"
    special_tokens = ("eos_token",)
    is_language_model = True
    prediction_output = "tokens"

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.packing = self.params.target is None
        prompt = json.dumps(self.params.placeholder("a prompt"), ensure_ascii=False)
        if self.params.messages:
            prompt = '[{"role": "user", "content": "a question"}]'
        options = language.generate_arguments(settings)
        self.pipeline_input = f"{prompt}{options}, return_full_text=False"
        self.outputs_needed = ("logits",) if self.packing else ("logits", "tokens")

    def is_labelled(self, features: "Dataset") -> bool:
        return self.packing or any(self.learned(features[:1000]))

    def learned(self, columns: Columns) -> list[bool]:
        """Say of each row whether there is something of an answer or completion in it."""
        if self.params.messages:
            return [any(mask) for mask in columns["answer_mask"]]
        lengths = zip(columns["length"], columns["prompt_length"], strict=True)
        return [length > prompt_length for length, prompt_length in lengths]

    def num_unlearned(self, examples: Columns, columns: Columns) -> Counter[str]:
        if self.packing or (targets := examples.get(self.params.target[0])) is None:
            return Counter()
        pairs = zip(targets, self.learned(columns), strict=False)  # a custom encode may have more
        unlearned = sum(target is not None and not learned for target, learned in pairs)
        found = Counter(without_answer=unlearned)
        if self.params.messages:
            contexts = examples[self.params.messages]
            found["earlier_answers"] = conversations.count_partial(contexts, targets, columns)
        return +found

    def encode(self, examples: Columns, processor: Any, *, mode: Mode) -> Columns:
        if self.params.messages:
            contexts, most = examples[self.params.messages], self.max_prompt(processor, mode)
            answers = examples.get(ANSWER, [None] * len(contexts))
            max_length = self.settings.tokenize.max_length or 0
            return conversations.encode(processor, contexts, answers, max_length, most)
        if not self.packing:
            return self.encode_prompts(examples, processor, mode)
        texts = [*self.params.read_text(examples)]
        max_length, end = self.settings.tokenize.max_length or 0, processor.eos_token_id
        if mode == "predict":
            ids = processor(texts, padding=False, verbose=False)["input_ids"]
            columns = {"input_ids": [row[-max_length:] for row in ids]}
            columns["length"] = [len(row) for row in columns["input_ids"]]
            return columns | {"full_length": [len(row) for row in ids]}
        ids = processor(texts, padding=False, truncation=False, verbose=False)["input_ids"]
        columns = {"input_ids": [[*row, end] for row in ids]}
        return windows.split_blocks(columns, max_length, pack=mode == "train")

    def max_prompt(self, tokenizer: Any, mode: Mode) -> int:
        """Return the most tokens of a prompt; tokenize does not know how many are generated."""
        is_known = mode == "predict"  # as evaluate encodes longer ones anew
        return int(self.input_limit(tokenizer)[0] if is_known else self.max_length(tokenizer) or 0)

    def encode_prompts(self, examples: Columns, tokenizer: Any, mode: Mode) -> Columns:
        """Return prompts and, where there are any, their completions and the end token.

        With `truncate_column` both fit together in `input_ids`. Texts are generated from
        `prompt_ids`, which are cut as without a completion.
        """
        max_length, end = self.settings.tokenize.max_length or 0, tokenizer.eos_token_id
        prompts = [*self.params.read_text(examples)]
        ids = tokenizer(prompts, padding=False, truncation=False, verbose=False)["input_ids"]
        completions, rest = examples.get(self.params.text), [[] for _ in ids]
        if completions is not None and completions[0] is not None:
            rest = tokenizer(completions, add_special_tokens=False, padding=False)["input_ids"]
            rest = [[*row, end] for row in rest]
        full_lengths = [len(a) + len(b) for a, b in zip(ids, rest, strict=True)]
        columns: Columns = {}
        if self.params.truncate_column is not None:
            most = self.max_prompt(tokenizer, mode)
            alone = self.fit(ids, [most] * len(ids), examples, tokenizer)
            columns["prompt_ids"] = [row[:most] for row in alone]
            ids = self.fit(ids, [max_length - len(row) for row in rest], examples, tokenizer)
        full = [[*a, *b] for a, b in zip(ids, rest, strict=True)]
        return columns | {
            "input_ids": [row[:max_length] for row in full],
            "length": [min(len(row), max_length) for row in full],
            "full_length": full_lengths,
            "prompt_length": [min(len(row), max_length) for row in ids],
            "example_id": list(range(len(full))),
        }

    def fit(
        self, ids: list[list[int]], room: Sequence[int], examples: Columns, tokenizer: Any
    ) -> list[list[int]]:
        """Return prompts with as much of `truncate_column` as each has room for, in tokens."""
        long = [i for i, row in enumerate(ids) if len(row) > room[i]]
        if not long:
            return ids
        rows = {name: [examples[name][i] for i in long] for name in self.params.inputs}
        special = tokenizer.num_special_tokens_to_add()
        texts = shortened(tokenizer, self.params, rows, [room[i] - special for i in long])
        fitted = dict(zip(long, tokenizer(texts, padding=False)["input_ids"], strict=True))
        return [fitted.get(i, row) for i, row in enumerate(ids)]

    def collate(self, rows: Features, processor: Any, config: "PretrainedConfig") -> Batch:
        ids = [row["input_ids"] for row in rows]
        length = arrays.padded_length(map(len, ids), self.settings)
        labels = []  # of the next token
        for row in rows:
            start = max(row.get("prompt_length", 1), 1)
            following = list(row["input_ids"][start:])
            if "answer_mask" in row:
                pairs = zip(following, row["answer_mask"][1:], strict=True)
                following = [i if counts else arrays.IGNORE_INDEX for i, counts in pairs]
            labels.append([arrays.IGNORE_INDEX] * (start - 1) + following)
        batch = arrays.pad_ids(ids, length, processor)  # (batch, tokens) each
        return batch | {"labels": arrays.pad(labels, length, arrays.IGNORE_INDEX)}

    def check_length(self, processor: Any, config: "PretrainedConfig | None" = None) -> None:
        super().check_length(processor, config)
        if self.room_for_prompts(processor) < 1:
            raise InputError(
                f"evaluate.generation.max_new_tokens leaves no room for a prompt: the model has "
                f"positions for {processor.model_max_length} tokens"
            )

    def room_for_prompts(self, tokenizer: Any) -> int:
        """Return how many of the model's positions are left for a prompt."""
        generation = self.settings.evaluate.generation
        return tokenizer.model_max_length - (generation.max_new_tokens if generation else 0)

    def input_limit(self, processor: Any) -> tuple[float, str]:
        limit, room = super().input_limit(processor), self.room_for_prompts(processor)
        name = f"the {room} tokens that evaluate.generation.max_new_tokens leaves room for"
        return limit if limit[0] <= room else (room, name)

    def prompts(self, features: Features, tokenizer: Any) -> Batch:
        """Return the prompts alone, padded on the left; one without tokens begins a text.

        One without `prompt_ids` that leaves no room for what is generated loses its beginning.
        """
        begin = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        ids = [
            row.get("prompt_ids", row["input_ids"][: row.get("prompt_length")]) for row in features
        ]
        ids = [row[-self.room_for_prompts(tokenizer) :] if len(row) else [begin] for row in ids]
        return arrays.pad_ids(ids, max(map(len, ids)), tokenizer, left=True)

    def baselines(self, train: SplitData, splits: Mapping[str, SplitData]) -> Baselines:
        """Return a bigram model's statistics, or the most frequent completion."""
        if not self.packing:
            usual = Counter(train.examples[self.params.target[0]]).most_common(1)[0][0]
            completions = {
                split: [(usual, None)] * len(data.examples) for split, data in splits.items()
            }
            return {"most_frequent_completion": completions}
        token_stats = language.bigram_model(train.features["input_ids"])
        return {
            "bigram": {
                split: language.sum_by_example(
                    [token_stats(ids) for ids in data.features["input_ids"]],
                    data.features,
                    len(data.examples),
                )
                for split, data in splits.items()
            }
        }

    def decode(self, outputs: Outputs, features: Rows, examples: Rows, processor: Any) -> list:
        """Return each text's token statistics; with prompts (generated text, statistics)."""
        stats = language.sum_by_example(outputs["logits"], features, len(examples))
        if "tokens" not in outputs:
            return stats
        return list(zip(self.written(outputs, processor), stats, strict=True))

    def prediction_columns(
        self, outputs: Outputs, features: Rows, examples: Rows, processor: Any
    ) -> Columns:
        return {"prediction": self.written(outputs, processor)}

    def written(self, outputs: Outputs, tokenizer: Any) -> list[str]:
        """Return the generated texts; answers as messages have them."""
        texts = tokenizer.batch_decode(outputs["tokens"], skip_special_tokens=True)
        if not self.params.messages:
            return texts
        frame = chat_template.find_frame(tokenizer)
        return [chat_template.read_answer(frame, text) for text in texts]

    def format_value(self, value: Any) -> str:
        if isinstance(value, tuple):
            return value[0]
        return value if isinstance(value, str) else language.format_stats(value)
