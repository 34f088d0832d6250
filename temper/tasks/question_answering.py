"""A question and a text → the span that answers it, or none; long texts in overlapping windows."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from temper.params.schema import Settings
from temper.tasks.base import SplitData, Task, arrays, spans
from temper.tasks.base.arrays import IGNORE_INDEX, Batch, Collator

SENTENCE, WORD = re.compile(r"[^.!?\n]+[.!?]*"), re.compile(r"\w+")


def build_task(settings: Settings) -> Task:
    return QuestionAnswering(settings)


class QuestionAnswering(Task):
    auto_model = "AutoModelForQuestionAnswering"
    pipeline_tag = "question-answering"

    def num_outputs(self, features: Mapping[str, Any]) -> int:
        return 2  # start and end

    def label_feature(self, raw: Mapping[str, Any]) -> Any:
        from datasets import List, Value

        return List(Value("int32"))

    def encode(self, examples: Mapping[str, list], processor: Any, *, mode: str) -> dict[str, list]:
        tokenize = self.settings.tokenize
        encoded = arrays.fast(processor, "question_answering")(
            self.questions(examples[self.params.question], processor),
            examples[self.params.context],
            truncation="only_second",
            max_length=tokenize.max_length,
            stride=tokenize.stride,
            padding=False,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        columns: dict[str, list] = {"input_ids": encoded["input_ids"]}
        if "token_type_ids" in encoded:
            columns["token_type_ids"] = encoded["token_type_ids"]
        columns["length"] = [len(ids) for ids in encoded["input_ids"]]
        columns["full_length"] = columns["length"]  # windows lose nothing
        columns["example_id"] = encoded["overflow_to_sample_mapping"]
        for column, end in (("starts", 0), ("ends", 1)):  # characters of the context, -1 elsewhere
            columns[column] = [
                [
                    offset[end] if side == 1 else -1
                    for offset, side in zip(offsets, encoded.sequence_ids(i), strict=True)
                ]
                for i, offsets in enumerate(encoded["offset_mapping"])
            ]
        if self.params.answers in examples:
            answers = examples[self.params.answers]
            columns["labels"] = [
                spans.target(answers[e], starts, ends)
                for e, starts, ends in zip(
                    *(columns[name] for name in ("example_id", "starts", "ends")), strict=True
                )
            ]
        return columns

    def questions(self, texts: list[str], processor: Any) -> list[str]:
        """Return the questions without spaces around them, at most half of a window long."""
        most = (self.settings.tokenize.max_length or 0) // 2
        stripped = [text.strip() for text in texts]
        ends = processor(stripped, add_special_tokens=False, return_offsets_mapping=True)
        return [
            text if len(offsets) <= most else text[: offsets[most - 1][1]]
            for text, offsets in zip(stripped, ends["offset_mapping"], strict=True)
        ]

    def collator(self, processor: Any, config: Any, augmentation: Any = None) -> Collator:
        def collate(rows: Sequence[Mapping[str, Any]]) -> Batch:
            batch, left = arrays.pad_texts(rows, processor, self.settings)
            if "labels" in rows[0]:
                labels = np.array([row["labels"] or (IGNORE_INDEX,) * 2 for row in rows])
                width = batch["input_ids"].shape[1]
                shift = [[width - len(row["input_ids"])] if left else [0] for row in rows]
                moved = labels + np.array(shift)
                batch["labels"] = np.where(labels < 0, IGNORE_INDEX, moved)  # (batch, 2)
            return batch

        self.left = processor.padding_side == "left"
        return collate

    def logits(self, outputs: Any, batch: Mapping[str, Any]) -> Any:
        import torch

        return torch.stack([outputs.start_logits, outputs.end_logits], 1)  # (batch, 2, tokens)

    def unpad(self, kept: np.ndarray, rows: Sequence[Mapping[str, Any]]) -> Sequence[np.ndarray]:
        lengths = [len(row["input_ids"]) for row in rows]
        return [row.T for row in arrays.cut(kept.swapaxes(1, 2), lengths, left=self.left)]

    def score(
        self, outputs: Sequence[np.ndarray], features: Any, scores: Callable[..., dict]
    ) -> dict[str, float]:
        losses, right = [], []
        for logits, labels in zip(outputs, features["labels"], strict=True):
            losses.append(arrays.negative_log_likelihood(logits, np.asarray(labels)).mean())
            right.append((logits.argmax(-1) == labels).all())
        return {"loss": float(np.mean(losses)), "accuracy": float(np.mean(right))}

    def baselines(
        self, train: SplitData, others: Mapping[str, SplitData]
    ) -> dict[str, dict[str, list]]:
        found = {
            split: [
                most_alike(*row)
                for row in zip(
                    part.examples[self.params.question],
                    part.examples[self.params.context],
                    strict=True,
                )
            ]
            for split, part in others.items()
        }
        return {"most_similar_sentence": found}

    def decode(
        self, outputs: Mapping[str, Sequence], features: Any, examples: Any, processor: Any
    ) -> list:
        """Return the text of the best span of all windows, or "" for no answer."""
        return [text for text, _ in self.best(outputs, features, examples)]

    def best(
        self, outputs: Mapping[str, Sequence], features: Any, examples: Any
    ) -> Iterator[tuple[str, float]]:
        """Yield each example's answer and by how many logits it beats no answer."""
        p = self.settings.evaluate.span_decoding
        assert p is not None
        parts = arrays.groups(features["example_id"], len(examples))
        for context, part in zip(examples[self.params.context], parts, strict=True):
            found = [(-np.inf, 0, 0)]
            nothing = np.inf
            for logits, starts, ends in zip(
                outputs["logits"][part],
                features["starts"][part],
                features["ends"][part],
                strict=True,
            ):
                nothing = min(nothing, float(logits[:, 0].sum()))
                found += [spans.best_span(logits, starts, ends, p.n_best, p.max_answer_length)]
            score, start, end = max(found)
            gain = score - nothing
            silent = p.no_answer_threshold is not None and -gain > p.no_answer_threshold
            yield "" if silent else context[start:end], gain

    def predict(
        self, outputs: Mapping[str, Sequence], features: Any, examples: Any, processor: Any
    ) -> dict[str, list]:
        texts, gains = zip(*self.best(outputs, features, examples), strict=True)
        return {"prediction": list(texts), "score": [round(float(gain), 6) for gain in gains]}

    def snippet(self) -> str:
        return arrays.auto_snippet(
            self.auto_model,
            'inputs = tokenizer("a question", "a text that answers it", return_tensors="pt")',
            "outputs = model(**inputs)",
            "start, end = outputs.start_logits.argmax(), outputs.end_logits.argmax()",
            'tokenizer.decode(inputs["input_ids"][0, start : end + 1])',
        )

    def format_value(self, value: Any) -> str:
        return value if isinstance(value, str) else " | ".join(dict.fromkeys(value["text"]))


def most_alike(question: str, context: str) -> str:
    """Return the sentence that shares most words with the question, the first of equals."""
    wanted = set(WORD.findall(question.lower()))
    sentences = [text.strip() for text in SENTENCE.findall(context)] or [""]
    return max(sentences, key=lambda text: len(wanted & set(WORD.findall(text.lower()))))
