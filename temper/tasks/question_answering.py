"""A question and a context → the span that answers it, or none; long contexts in windows."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.params.schema import Settings
from temper.tasks.base import Baselines, Mode, Outputs, SplitData, Task, arrays, spans, windows
from temper.tasks.base.arrays import IGNORE_INDEX, Batch, Collator, Rows
from temper.tasks.base.snippets import auto_model_snippet

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from temper.params.train import Augmentation

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

    def encode(
        self, examples: Mapping[str, list], processor: "PreTrainedTokenizerBase", *, mode: Mode
    ) -> dict[str, list]:
        tokenize = self.settings.tokenize
        encoded = windows.require_fast(processor, "question_answering")(
            self.shortened(examples[self.params.question], processor),
            examples[self.params.context],
            truncation="only_second",
            max_length=tokenize.max_length,
            stride=tokenize.stride or 0,
            padding=False,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        columns: dict[str, list] = {"input_ids": encoded["input_ids"]}
        if "token_type_ids" in encoded:
            columns["token_type_ids"] = encoded["token_type_ids"]
        columns["length"] = [len(ids) for ids in encoded["input_ids"]]
        columns["full_length"] = columns["length"]  # windows truncate nothing
        columns["example_id"] = encoded["overflow_to_sample_mapping"]
        for column, end in (("starts", 0), ("ends", 1)):  # characters of the context, -1 elsewhere
            columns[column] = [
                [
                    offset[end] if sequence == 1 else -1
                    for offset, sequence in zip(offsets, encoded.sequence_ids(i), strict=True)
                ]
                for i, offsets in enumerate(encoded["offset_mapping"])
            ]
        if self.params.answers in examples:
            answers = examples[self.params.answers]
            columns["labels"] = [
                spans.answer_tokens(answers[example], starts, ends)
                for example, starts, ends in zip(
                    *(columns[name] for name in ("example_id", "starts", "ends")), strict=True
                )
            ]
        return columns

    def shortened(self, questions: list[str], tokenizer: "PreTrainedTokenizerBase") -> list[str]:
        """Return the questions stripped, and cut to half of a window."""
        most = (self.settings.tokenize.max_length or 0) // 2
        stripped = [text.strip() for text in questions]
        encoded = tokenizer(stripped, add_special_tokens=False, return_offsets_mapping=True)
        return [
            text if len(offsets) <= most else text[: offsets[most - 1][1]]
            for text, offsets in zip(stripped, encoded["offset_mapping"], strict=True)
        ]

    def collator(
        self,
        processor: "PreTrainedTokenizerBase",
        config: "PretrainedConfig",
        augmentation: "Augmentation | None" = None,
    ) -> Collator:
        left = self.pads_left = arrays.pads_left(processor)

        def collate(rows: Sequence[Mapping[str, Any]]) -> Batch:
            batch = arrays.pad_texts(rows, processor, self.settings)
            if "labels" in rows[0]:
                labels = np.array([row["labels"] or (IGNORE_INDEX,) * 2 for row in rows])
                length = batch["input_ids"].shape[1]
                offsets = [[length - len(row["input_ids"])] if left else [0] for row in rows]
                shifted = labels + np.array(offsets)
                batch["labels"] = np.where(labels < 0, IGNORE_INDEX, shifted)  # (batch, 2)
            return batch

        return collate

    def logits(self, outputs: Any, batch: Mapping[str, Any]) -> "Tensor":
        import torch

        return torch.stack([outputs.start_logits, outputs.end_logits], 1)  # (batch, 2, tokens)

    def unpad(
        self, outputs: np.ndarray, features: Sequence[Mapping[str, Any]]
    ) -> Sequence[np.ndarray]:
        lengths = [len(feature["input_ids"]) for feature in features]
        by_token = arrays.unpad(outputs.swapaxes(1, 2), lengths, left=self.pads_left)
        return [logits.T for logits in by_token]  # (2, tokens) each

    def score(
        self,
        outputs: Sequence[np.ndarray],
        features: Rows,
        compute_metrics: Callable[..., dict[str, float]],
    ) -> dict[str, float]:
        """Return loss, and how often both ends of a window's span are right."""
        losses, hits = [], []
        for logits, labels in zip(outputs, features["labels"], strict=True):
            losses.append(arrays.negative_log_likelihood(logits, np.asarray(labels)).mean())
            hits.append((logits.argmax(-1) == labels).all())
        return {"loss": float(np.mean(losses)), "accuracy": float(np.mean(hits))}

    def baselines(self, train: SplitData, splits: Mapping[str, SplitData]) -> Baselines:
        question, context = self.params.question, self.params.context
        return {
            "most_similar_sentence": {
                split: [
                    most_similar_sentence(*pair)
                    for pair in zip(data.examples[question], data.examples[context], strict=True)
                ]
                for split, data in splits.items()
            }
        }

    def decode(self, outputs: Outputs, features: Rows, examples: Rows, processor: Any) -> list:
        """Return the text of the best span of all windows, or "" for no answer."""
        return [text for text, _ in self.answers(outputs, features, examples)]

    def answers(
        self, outputs: Outputs, features: Rows, examples: Rows
    ) -> Iterator[tuple[str, float]]:
        """Yield each example's answer, and by how many logits its span beats no answer."""
        p = self.settings.evaluate.span_decoding
        assert p is not None
        slices = windows.example_slices(features["example_id"], len(examples))
        for context, part in zip(examples[self.params.context], slices, strict=True):
            candidates, no_answer = [(-np.inf, 0, 0)], np.inf
            for logits, starts, ends in zip(
                outputs["logits"][part],
                features["starts"][part],
                features["ends"][part],
                strict=True,
            ):
                no_answer = min(no_answer, float(logits[:, 0].sum()))
                candidates.append(
                    spans.best_span(logits, starts, ends, p.n_best, p.max_answer_length)
                )
            score, start, end = max(candidates)
            margin, threshold = score - no_answer, p.no_answer_threshold
            has_no_answer = threshold is not None and -margin > threshold
            yield "" if has_no_answer else context[start:end], margin

    def predict(
        self, outputs: Outputs, features: Rows, examples: Rows, processor: Any
    ) -> dict[str, list]:
        texts, margins = zip(*self.answers(outputs, features, examples), strict=True)
        return {"prediction": list(texts), "score": [round(float(m), 6) for m in margins]}

    def snippet(self) -> str:
        return auto_model_snippet(
            self.auto_model,
            'inputs = tokenizer("a question", "a text that answers it", return_tensors="pt")',
            "outputs = model(**inputs)",
            "start, end = outputs.start_logits.argmax(), outputs.end_logits.argmax()",
            'tokenizer.decode(inputs["input_ids"][0, start : end + 1])',
        )

    def format_value(self, value: Any) -> str:
        return value if isinstance(value, str) else " | ".join(dict.fromkeys(value["text"]))


def most_similar_sentence(question: str, context: str) -> str:
    """Return the sentence that shares most words with the question, the first of equals."""
    words = set(WORD.findall(question.lower()))
    sentences = [text.strip() for text in SENTENCE.findall(context)] or [""]
    return max(sentences, key=lambda text: len(words & set(WORD.findall(text.lower()))))
