"""Words → a tag each, entities whole: labels on first tokens, tags that follow their scheme."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from temper.params.schema import Settings
from temper.tasks.base import SplitData, Task, arrays, spans
from temper.tasks.base.arrays import IGNORE_INDEX, Batch, Collator


def build_task(settings: Settings) -> Task:
    return TokenClassification(settings)


class TokenClassification(Task):
    auto_model = "AutoModelForTokenClassification"
    pipeline_tag = "token-classification"
    processor_kwargs = MappingProxyType({"add_prefix_space": True})  # words, not parts of words
    transitions: np.ndarray | None = None  # of a CRF

    def load_decoder_state(self, model: Any) -> None:
        """Take a CRF's transitions, from a network or from the config of a saved one."""
        found = getattr(model, "transitions", None)
        if found is not None and not isinstance(found, list):
            found = found.detach().cpu()
        self.transitions = None if found is None else np.asarray(found, dtype=np.float64)

    def label_feature(self, raw: Mapping[str, Any]) -> Any:
        return raw[self.params.tags]

    def encode(self, examples: Mapping[str, list], processor: Any, *, mode: str) -> dict[str, list]:
        tokenize, words = self.settings.tokenize, examples[self.params.words]
        window = tokenize.overflow == "window"
        encoded = arrays.fast(processor, "token_classification")(
            words,
            is_split_into_words=True,
            truncation=True,
            max_length=tokenize.max_length,
            padding=False,
            return_overflowing_tokens=True,
            stride=tokenize.stride if window else 0,
        )
        examples_of = encoded["overflow_to_sample_mapping"]
        first = [i for i, e in enumerate(examples_of) if i == 0 or e != examples_of[i - 1]]
        kept = range(len(examples_of)) if window else first
        columns: dict[str, list] = {"input_ids": [encoded["input_ids"][i] for i in kept]}
        if "token_type_ids" in encoded:
            columns["token_type_ids"] = [encoded["token_type_ids"][i] for i in kept]
        columns["length"] = [len(ids) for ids in columns["input_ids"]]
        totals = Counter(examples_of)
        cut = [0 if window else totals[examples_of[i]] - 1 for i in kept]  # windows that are lost
        columns["full_length"] = [
            n + extra * (tokenize.max_length or 0)
            for n, extra in zip(columns["length"], cut, strict=True)
        ]
        columns["example_id"] = [examples_of[i] for i in kept]
        columns["word_ids"] = spans.assign_words(
            [encoded.word_ids(i) for i in kept], columns["example_id"]
        )
        if self.params.tags in examples:
            tags = examples[self.params.tags]
            columns["labels"] = [
                [IGNORE_INDEX if w < 0 or tags[e] is None else tags[e][w] for w in ids]
                for ids, e in zip(columns["word_ids"], columns["example_id"], strict=True)
            ]
        return columns

    def collator(self, processor: Any, config: Any, augmentation: Any = None) -> Collator:
        def collate(rows: Sequence[Mapping[str, Any]]) -> Batch:
            batch, left = arrays.pad_texts(rows, processor, self.settings)
            if "labels" in rows[0]:
                labels = [row["labels"] for row in rows]
                width = batch["input_ids"].shape[1]
                batch["labels"] = arrays.pad(
                    labels, width, IGNORE_INDEX, left=left
                )  # (batch, tokens)
            return batch

        self.left = processor.padding_side == "left"
        return collate

    def unpad(self, kept: np.ndarray, rows: Sequence[Mapping[str, Any]]) -> Sequence[np.ndarray]:
        return arrays.cut(kept, [len(row["input_ids"]) for row in rows], left=self.left)

    def hard_prediction(self, output: np.ndarray, feature: Mapping[str, Any]) -> np.ndarray:
        return output.argmax(-1)[np.asarray(feature["word_ids"]) >= 0]

    def score(
        self, outputs: Sequence[np.ndarray], features: Any, scores: Callable[..., dict]
    ) -> dict[str, float]:
        names, losses, found, wanted = self.label_names, [], [], []
        for logits, labels in zip(outputs, features["labels"], strict=True):
            ids = np.asarray(labels)
            known = ids != IGNORE_INDEX
            losses.append(self._losses(logits[known].astype(np.float64), ids[known]))
            path = spans.legal_path(logits[known], names, self.params.scheme, self.transitions)
            found.append([names[i] for i in path])
            wanted.append([names[i] for i in ids[known]])
        loss = float(np.concatenate(losses).mean())
        return {"loss": loss, **scores(found, wanted)}

    def _losses(self, logits: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Return a loss per tag; those of a CRF's path share the path's."""
        if self.transitions is None or not len(ids):
            return arrays.negative_log_likelihood(logits, ids)
        return np.full(len(ids), spans.path_loss(logits, ids, self.transitions) / len(ids))

    def baselines(
        self, train: SplitData, others: Mapping[str, SplitData]
    ) -> dict[str, dict[str, list]]:
        counts: dict[str, Counter] = defaultdict(Counter)
        everywhere: Counter = Counter()
        for words, tags in zip(
            train.examples[self.params.words], self.references(train.examples) or [], strict=True
        ):
            everywhere.update(tags)
            for word, tag in zip(words, tags, strict=True):
                counts[word][tag] += 1
        usual = everywhere.most_common(1)[0][0]
        best = {word: found.most_common(1)[0][0] for word, found in counts.items()}
        return {
            "most_frequent_tag": {
                split: [
                    [best.get(w, usual) for w in words]
                    for words in part.examples[self.params.words]
                ]
                for split, part in others.items()
            }
        }

    def decode(
        self, outputs: Mapping[str, Sequence], features: Any, examples: Any, processor: Any
    ) -> list:
        """Return a list of tags per example, one per word; words without a token are outside."""
        names = self.label_names
        parts = arrays.groups(features["example_id"], len(examples))
        found = []
        for words, part in zip(examples[self.params.words], parts, strict=True):
            scores = np.zeros((len(words), len(names)))
            scores[:, names.index(spans.OUTSIDE) if spans.OUTSIDE in names else 0] = 1e-6
            chosen = zip(outputs["logits"][part], features["word_ids"][part], strict=True)
            for logits, ids in chosen:
                at = np.asarray(ids)
                scores[at[at >= 0]] = logits[at >= 0]
            path = spans.legal_path(scores, names, self.params.scheme, self.transitions)
            found.append([names[i] for i in path])
        return found

    def references(self, examples: Any) -> list | None:
        values = super().references(examples)
        return values and [[self.label_names[i] for i in tags] for tags in values]

    def predict(
        self, outputs: Mapping[str, Sequence], features: Any, examples: Any, processor: Any
    ) -> dict[str, list]:
        from seqeval.metrics.sequence_labeling import get_entities

        tags, words = (
            self.decode(outputs, features, examples, processor),
            examples[self.params.words],
        )
        spans = [
            [
                {"type": kind, "text": " ".join(row[a : b + 1]), "first_word": a, "last_word": b}
                for kind, a, b in get_entities(one)
            ]
            for row, one in zip(words, tags, strict=True)
        ]
        return {"prediction": tags, "entities": spans}

    def snippet(self) -> str:
        return arrays.pipeline_snippet(self.pipeline_tag, '"a sentence"')

    def format_value(self, value: Any) -> str:
        return " ".join(value or ())
