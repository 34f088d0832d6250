"""Words → a tag each: labels on the first token of a word, tags that follow their scheme.

A word may have no token. One that the tokenizer turns into nothing continues the entity of the word
before; one that `tokenize.max_length` cut off is outside. Both count in every score.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from copy import copy
from itertools import chain, groupby
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.tasks.base import Baselines, Mode, Outputs, SplitData, Task, arrays, windows
from temper.tasks.base.arrays import Batch, Columns, ComputeMetrics, Features, Logits, Rows, Scores
from temper.tasks.base.tags import OUTSIDE, continuation, crf_loss, entities, viterbi_path

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig


class TokenClassification(Task):
    auto_model = "AutoModelForTokenClassification"
    pipeline_tag = "token-classification"
    processor_kwargs = MappingProxyType({"add_prefix_space": True})  # words, not parts of words
    transitions: np.ndarray | None = None  # of a CRF

    def for_model(self, model: "nn.Module | PretrainedConfig") -> Task:
        """Return the task with a CRF's transitions, of a network or the config of a saved one."""
        task, transitions = copy(self), getattr(model, "transitions", None)
        if transitions is not None and not isinstance(transitions, list):
            transitions = transitions.detach().cpu()
        task.transitions = None if transitions is None else np.asarray(transitions, np.float64)
        return task

    def encode(self, examples: Columns, processor: Any, *, mode: Mode) -> Columns:
        tokenize, words = self.settings.tokenize, examples[self.params.words]
        windows.require_fast(processor, "token_classification")
        columns, encoded = windows.encode_windows(
            processor, [words], tokenize, is_split_into_words=True
        )
        selected = list(range(len(columns["example_id"])))
        if tokenize.overflow != "window":  # the first of each example
            _, firsts, num_windows = np.unique(
                columns["example_id"], return_index=True, return_counts=True
            )
            selected = firsts.tolist()
            columns = {name: [values[i] for i in selected] for name, values in columns.items()}
            lost = (num_windows - 1) * (tokenize.max_length or 0)
            columns["full_length"] = (columns["length"] + lost).tolist()
        columns["word_ids"] = windows.assign_words(
            [encoded.word_ids(i) for i in selected], columns["example_id"]
        )
        if self.params.tags in examples:
            if mode != "train":  # nothing is learned from a word without a token
                windows.append_words_without_tokens(
                    columns["word_ids"], columns["example_id"], words
                )
            columns["labels"] = first_token_labels(
                examples[self.params.tags], columns["word_ids"], columns["example_id"]
            )
        return columns

    def collate(self, rows: Features, processor: Any, config: "PretrainedConfig") -> Batch:
        batch = arrays.pad_texts(rows, processor, self.settings)  # (batch, tokens) each
        if "labels" not in rows[0]:
            return batch
        labels = [row["labels"][: len(row["input_ids"])] for row in rows]
        return arrays.pad_labels(labels, batch, processor)

    def unpad(self, outputs: np.ndarray, batch: Batch) -> Logits:
        is_token = batch["attention_mask"] > 0
        return [logits[mask] for logits, mask in zip(outputs, is_token, strict=True)]

    def hard_prediction(self, output: np.ndarray, feature: Mapping[str, Any]) -> np.ndarray:
        return output.argmax(-1)[np.asarray(feature["word_ids"][: len(output)]) >= 0]

    def score(self, outputs: Logits, features: Rows, compute_metrics: ComputeMetrics) -> Scores:
        """Return the loss of words with a token, and the metrics of all words, as evaluate does."""
        names = ("example_id", "word_ids", "labels")
        losses, predictions, references = [], [], []
        rows = zip(*(features[name] for name in names), outputs, strict=True)
        for _, group in groupby(rows, key=itemgetter(0)):
            _, word_ids, labels, logits = zip(*group, strict=True)
            losses += map(self._losses, logits, labels)
            pairs = zip(chain(*word_ids), chain(*labels), strict=True)
            ids = {word: tag for word, tag in pairs if tag != arrays.IGNORE_INDEX}
            tags = self._tags(logits, word_ids, max(ids, default=-1) + 1)
            predictions.append([tags[word] for word in sorted(ids)])
            references.append([self.label_names[ids[word]] for word in sorted(ids)])
        loss = float(np.concatenate(losses).mean())
        return {"loss": loss, **compute_metrics(predictions, references)}

    def _losses(self, logits: np.ndarray, labels: Sequence[int]) -> np.ndarray:
        """Return a loss per labelled token; a CRF's loss is its path's, in equal shares."""
        ids = np.asarray(labels[: len(logits)])
        is_labelled = ids != arrays.IGNORE_INDEX
        logits, ids = logits[is_labelled].astype(np.float64), ids[is_labelled]
        if self.transitions is None or not len(ids):
            return arrays.negative_log_likelihood(logits, ids)
        return np.full(len(ids), crf_loss(logits, ids, self.transitions) / len(ids))

    def _tags(
        self, logits: Sequence[np.ndarray], word_ids: Sequence[Sequence[int]], num_words: int
    ) -> list[str]:
        """Return the likeliest tags of an example's words that follow the scheme.

        The logits (tokens, labels) and word ids are of its features.
        """
        names, scheme = self.label_names, self.params.scheme
        of_word = {
            word: values
            for rows, words in zip(logits, word_ids, strict=True)
            for values, word in zip(rows, words, strict=False)  # those without a token come last
            if word >= 0
        }
        seen = sorted(of_word)
        stacked = np.array([of_word[word] for word in seen])
        path = viterbi_path(stacked, names, scheme, self.transitions)
        tag_of = {word: names[i] for word, i in zip(seen, path, strict=True)}
        tokenize, outside = self.settings.tokenize, OUTSIDE if OUTSIDE in names else names[0]
        is_cut = tokenize.overflow == "truncate" and len(logits[-1]) == tokenize.max_length
        num_read = max(seen, default=-1) + 1 if is_cut else num_words
        for word in range(num_words):
            if word not in tag_of:
                tag = continuation(tag_of[word - 1]) if 0 < word < num_read else outside
                tag_of[word] = tag if tag in names else outside
        return [tag_of[word] for word in range(num_words)]

    def baselines(self, train: SplitData, splits: Mapping[str, SplitData]) -> Baselines:
        counts: dict[str, Counter] = defaultdict(Counter)
        total: Counter = Counter()
        for words, tags in zip(
            train.examples[self.params.words], self.references(train.examples) or [], strict=True
        ):
            total.update(tags)
            for word, tag in zip(words, tags, strict=True):
                counts[word][tag] += 1
        most_frequent = total.most_common(1)[0][0]
        tag_of = {word: counter.most_common(1)[0][0] for word, counter in counts.items()}
        return {
            "most_frequent_tag": {
                split: [
                    [tag_of.get(word, most_frequent) for word in words]
                    for words in data.examples[self.params.words]
                ]
                for split, data in splits.items()
            }
        }

    def decode(self, outputs: Outputs, features: Rows, examples: Rows, processor: Any) -> list:
        """Return a list of tags per example, one per word."""
        slices = windows.example_slices(features["example_id"], len(examples))
        return [
            self._tags(outputs["logits"][part], features["word_ids"][part], len(words))
            for words, part in zip(examples[self.params.words], slices, strict=True)
        ]

    def references(self, examples: Rows) -> list | None:
        values = super().references(examples)
        return values and [[self.label_names[i] for i in tags] for tags in values]

    def prediction_columns(
        self, outputs: Outputs, features: Rows, examples: Rows, processor: Any
    ) -> Columns:
        predictions = self.decode(outputs, features, examples, processor)
        found = [
            [
                {"type": name, "text": " ".join(words[a : b + 1]), "first_word": a, "last_word": b}
                for name, a, b in entities(tags)
            ]
            for words, tags in zip(examples[self.params.words], predictions, strict=True)
        ]
        return {"prediction": predictions, "entities": found}

    def snippet(self) -> str:
        tags = "model(**inputs).logits[0].argmax(-1).tolist()"
        return self.auto_model_snippet(
            'words = "words and punctuation as in training".split()',
            'inputs = tokenizer(words, is_split_into_words=True, return_tensors="pt")',
            f"tags = [model.config.id2label[i] for i in {tags}]",
            "[(word, tags[inputs.word_ids().index(i)]) for i, word in enumerate(words)]",
        )

    def format_value(self, value: Any) -> str:
        return " ".join(value or ())


def first_token_labels(
    tags: Sequence[Sequence[int] | None],
    word_ids: Sequence[Sequence[int]],
    example_ids: Sequence[int],
) -> list[list[int]]:
    """Return each token's label by feature: the tag of the word it begins, else `IGNORE_INDEX`."""

    def label(word: int, example_tags: Sequence[int] | None) -> int:
        return arrays.IGNORE_INDEX if word < 0 or example_tags is None else example_tags[word]

    return [
        [label(word, tags[example]) for word in words]
        for words, example in zip(word_ids, example_ids, strict=True)
    ]
