"""A question and a context → the span that answers it, or none; long contexts in windows."""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.tasks.base import Baselines, Mode, Outputs, SplitData, Task, arrays, windows
from temper.tasks.base.arrays import Batch, Columns, ComputeMetrics, Features, Logits, Rows, Scores

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PretrainedConfig

SENTENCE, WORD = re.compile(r"[^.!?\n]+[.!?]*"), re.compile(r"\w+")


class QuestionAnswering(Task):
    auto_model = "AutoModelForQuestionAnswering"
    pipeline_tag = "question-answering"
    loss_options = MappingProxyType({"is_padded": True})  # a window's classes are its tokens

    def num_outputs(self, types: Mapping[str, Any]) -> int:
        return 2  # start and end

    def label_type(self, raw: Mapping[str, Any]) -> Any:
        from datasets import List, Value

        return List(Value("int32"))

    def encode(self, examples: Columns, processor: Any, *, mode: Mode) -> Columns:
        questions = examples[self.params.question]
        windows.require_fast(processor, "question_answering")
        texts = [self.shortened(questions, processor), examples[self.params.context]]
        columns, encoded = windows.encode_windows(
            processor, texts, self.settings.tokenize, return_offsets_mapping=True
        )
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
                answer_tokens(answers[example], starts, ends)
                for example, starts, ends in zip(
                    *(columns[name] for name in ("example_id", "starts", "ends")), strict=True
                )
            ]
        return columns

    def shortened(self, questions: list[str], tokenizer: Any) -> list[str]:
        """Return the questions stripped, and cut to half of a window."""
        most = (self.settings.tokenize.max_length or 0) // 2
        stripped = [text.strip() for text in questions]
        options = {"add_special_tokens": False, "return_offsets_mapping": True}
        encoded = tokenizer(stripped, verbose=False, **options)
        return [
            text if len(offsets) <= most else text[: offsets[most - 1][1]]
            for text, offsets in zip(stripped, encoded["offset_mapping"], strict=True)
        ]

    def collate(self, rows: Features, processor: Any, config: "PretrainedConfig") -> Batch:
        batch = arrays.pad_texts(rows, processor, self.settings)
        if "labels" in rows[0]:
            labels = np.array([row["labels"] or (arrays.IGNORE_INDEX,) * 2 for row in rows])
            first_tokens = batch["attention_mask"].argmax(1)[:, None]  # not 0 with left padding
            batch["labels"] = np.where(labels < 0, arrays.IGNORE_INDEX, labels + first_tokens)
        return batch  # labels: (batch, 2)

    def logits(self, outputs: Any, batch: Mapping[str, Any]) -> "Tensor":
        import torch

        logits = torch.stack([outputs.start_logits, outputs.end_logits], 1)  # (batch, 2, tokens)
        is_padding = batch["attention_mask"][:, None] == 0  # no token, where no answer can be
        return logits.masked_fill(is_padding, arrays.PADDING_LOGIT)

    def unpad(self, outputs: np.ndarray, batch: Batch) -> Logits:
        pairs = zip(outputs, batch["attention_mask"] > 0, strict=True)
        return [logits[:, is_token] for logits, is_token in pairs]  # (2, tokens) each

    def score(self, outputs: Logits, features: Rows, compute_metrics: ComputeMetrics) -> Scores:
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
        """Yield each example's answer, and by how many logits its span beats no answer.

        Where a context has no tokens there is no span, and that is minus infinity.
        """
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
                candidates.append(best_span(logits, starts, ends, p.n_best, p.max_answer_length))
            score, start, end = max(candidates)
            margin, threshold = score - no_answer, p.no_answer_threshold
            has_no_answer = threshold is not None and -margin > threshold
            yield "" if has_no_answer else context[start:end], margin

    def prediction_columns(
        self, outputs: Outputs, features: Rows, examples: Rows, processor: Any
    ) -> Columns:
        """Return the answer and by how much it beats none; null where a context has no tokens."""
        texts, margins = zip(*self.answers(outputs, features, examples), strict=True)
        scores = [round(float(m), 6) if np.isfinite(m) else None for m in margins]
        return {"prediction": list(texts), "score": scores}

    def snippet(self) -> str:
        return self.auto_model_snippet(
            'question, text = "a question", "a text that answers it"',
            'inputs = tokenizer(question, text, return_tensors="pt", return_offsets_mapping=True)',
            'offsets = inputs.pop("offset_mapping")[0]',
            "outputs = model(**inputs)",
            "start, end = outputs.start_logits.argmax(), outputs.end_logits.argmax()",
            "text[offsets[start, 0] : offsets[end, 1]]  # empty: no answer",
        )

    def format_value(self, value: Any) -> str:
        return value if isinstance(value, str) else " | ".join(dict.fromkeys(value["text"]))


def most_similar_sentence(question: str, context: str) -> str:
    """Return the sentence that shares most words with the question, the first of equals."""
    words = set(WORD.findall(question.lower()))
    sentences = [text.strip() for text in SENTENCE.findall(context)] or [""]
    return max(sentences, key=lambda text: len(words & set(WORD.findall(text.lower()))))


def answer_tokens(
    answers: Mapping[str, Any] | None, starts: Sequence[int], ends: Sequence[int]
) -> list[int] | None:
    """Return the tokens where the first answer starts and ends.

    Args:
        answers: SQuAD's `{"text": [...], "answer_start": [...]}`; None: not labelled.
        starts: each token's first character in the context, -1 outside of it.
        ends: the character after its last one.

    Returns:
        0, 0 where there is no answer or this window does not hold it whole; None where `answers`
        is None.
    """
    if answers is None:
        return None
    if not answers["text"]:
        return [0, 0]
    first = answers["answer_start"][0]
    last = first + len(answers["text"][0])
    inside = [i for i, end in enumerate(ends) if end > first and 0 <= starts[i] < last]
    is_whole = inside and starts[inside[0]] <= first and ends[inside[-1]] >= last
    return [inside[0], inside[-1]] if is_whole else [0, 0]


def best_span(
    logits: np.ndarray, starts: Sequence[int], ends: Sequence[int], n_best: int, max_length: int
) -> tuple[float, int, int]:
    """Return a window's best span: its score, first character and the one after its last.

    Args:
        logits: of start and end, (2, tokens).
        starts: as in `answer_tokens`.
        ends: likewise.
        n_best: likeliest starts and ends to combine.

    Returns:
        -inf, 0, 0 where there is no span.
    """
    inside = np.flatnonzero(np.asarray(starts) >= 0)
    likeliest = [inside[np.argsort(-row[inside], kind="stable")[:n_best]] for row in logits]
    spans = [
        (float(logits[0, a] + logits[1, b]), starts[a], ends[b])
        for a in likeliest[0]
        for b in likeliest[1]
        if a <= b < a + max_length
    ]
    return max(spans, default=(-np.inf, 0, 0))
