"""Pairs, triplets or scored pairs of texts → one unit vector per text."""

import json
from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.params.schema import Settings
from temper.tasks.base import Mode, Outputs, Task, arrays, retrieval
from temper.tasks.base.arrays import Batch, Columns, ComputeMetrics, Features, Logits, Rows, Scores
from temper.tasks.base.texts import encode_texts

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PretrainedConfig

POOLING = {"mean": "mean", "cls": "first", "max": "max"}  # as in temper/models/pooling.py


class Embeddings(Task):
    auto_model = "AutoModel"
    pipeline_tag = "sentence-similarity"
    library = "sentence-transformers"
    output_name = "sentence_embedding"

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self.is_retrieval = self.params.anchor is not None
        self.loss = "multiple_negatives_ranking" if self.is_retrieval else "cosent"
        self.loss_options = {"temperature": self.params.temperature}
        self.pooling = "mean"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose texts are predicted: the anchor's, or those of a pair."""
        return (self.params.anchor,) if self.is_retrieval else self.params.text

    def label_type(self, raw: Mapping[str, Any]) -> Any:
        from datasets import Value

        return Value("bool") if self.is_retrieval else super().label_type(raw)

    def for_model(self, model: "nn.Module | PretrainedConfig") -> Task:
        """Return the task with the pooling that a model's config names."""
        task, config = copy(self), getattr(model, "config", model)
        task.pooling = getattr(config, "sentence_pooling", None) or "mean"
        return task

    def encode(self, examples: Columns, processor: Any, *, mode: Mode) -> Columns:
        """Encode each text by itself; without a positive, or to predict, the anchor alone."""
        target = examples.get(self.params.target[0], [None]) if mode != "predict" else [None]
        is_labelled = target[0] is not None
        names = self.params.text_columns if is_labelled else self.columns
        max_length = self.settings.tokenize.max_length
        texts = self.params.prompted({name: examples[name] for name in names})
        encoded = [encode_texts(processor, [column], max_length) for column in texts]
        by_row = {
            name: list(zip(*(columns[name] for columns in encoded), strict=True))
            for name in encoded[0]
        }
        columns: Columns = {
            name: [list(texts) for texts in by_row[name]]
            for name in ("input_ids", "token_type_ids")
            if name in by_row
        }
        columns |= {name: [*map(max, by_row[name])] for name in ("length", "full_length")}
        if is_labelled:
            columns["labels"] = [True] * len(target) if self.is_retrieval else target
        return columns

    def collate(self, rows: Features, processor: Any, config: "PretrainedConfig") -> Batch:
        """Return the texts of all rows one after the other, (rows x texts, tokens).

        The labels number the distinct texts of the batch, (rows, texts), or are scores (rows,).
        """
        names = [name for name in ("input_ids", "token_type_ids") if name in rows[0]]
        texts = [
            dict(zip(names, values, strict=True))
            for row in rows
            for values in zip(*(row[name] for name in names), strict=True)
        ]
        batch = arrays.pad_texts(texts, processor, self.settings)
        if not self.is_retrieval:
            scores = [row.get("labels") for row in rows]
            batch["labels"] = np.array([np.nan if s is None else s for s in scores], np.float32)
        elif "labels" in rows[0]:
            numbers: dict[tuple[int, ...], int] = {}
            ids = [numbers.setdefault(tuple(text["input_ids"]), len(numbers)) for text in texts]
            batch["labels"] = np.array(ids, np.int64).reshape(len(rows), -1)
        return batch

    def logits(self, outputs: Any, batch: Mapping[str, Any]) -> "Tensor":
        """Return the unit vector of each text, (rows x texts, size)."""
        from torch.nn import functional

        from temper.models.pooling import pool_tokens

        hidden, mask = outputs.last_hidden_state, batch["attention_mask"]
        return functional.normalize(pool_tokens(hidden, mask, POOLING[self.pooling]), dim=-1)

    def row_tokens(self, feature: Mapping[str, Any]) -> list[int]:
        return [i for text in feature["input_ids"][: len(self.columns)] for i in text]

    def unpad(self, outputs: np.ndarray, batch: Batch) -> Logits:
        """Return the vectors of each row's texts, (texts, size)."""
        num_rows = len(batch.get("labels", outputs))
        return list(outputs.reshape(num_rows, -1, outputs.shape[-1]))

    def agreement(self, first: np.ndarray, second: np.ndarray, feature: Mapping[str, Any]) -> float:
        """Return the mean cosine similarity of two models' vectors."""
        return float((first * second).sum(-1).mean())

    def score(self, outputs: Logits, features: Rows, compute_metrics: ComputeMetrics) -> Scores:
        """Score the split as one batch and one corpus."""
        vectors, temperature = np.stack(outputs), self.params.temperature
        if not self.is_retrieval:
            similarities, scores = cosines(vectors), np.asarray(features["labels"], float)
            loss = retrieval.cosent_loss(similarities, scores, temperature)
            return {"loss": loss, **compute_metrics(similarities.tolist(), scores.tolist())}
        corpus = retrieval.build_corpus(features["input_ids"])
        queries, documents = vectors[:, 0], vectors[tuple(corpus.first_place.T)]
        ranks = retrieval.search(queries, documents, corpus).ranks
        loss = retrieval.ranking_loss(queries, documents, corpus, temperature)
        return {"loss": loss, **compute_metrics(ranks, ranks)}

    def decode(self, outputs: Outputs, features: Rows, examples: Rows, processor: Any) -> list:
        """Return the vectors (texts, size) of each example, or the similarity of each pair."""
        vectors = outputs["logits"]
        return list(vectors) if self.is_retrieval else cosines(np.stack(vectors)).tolist()

    def prediction_columns(
        self, outputs: Outputs, features: Rows, examples: Rows, processor: Any
    ) -> Columns:
        """Return the anchor's vector; of a pair the similarity and both vectors."""
        vectors = np.stack(outputs["logits"])
        rounded = vectors.astype(np.float64).round(6)
        if self.is_retrieval:
            return {"prediction": rounded[:, 0].tolist()}
        similarities = [arrays.significant(value) for value in cosines(vectors)]
        return {"prediction": similarities, "embeddings": rounded.tolist()}

    def snippet(self) -> str:
        use = (
            'embeddings = model.encode(["a text", "another text"])\n'
            "model.similarity(embeddings, embeddings)"
        )
        if self.params.prompts is not None:  # `encode` adds none
            use = (
                'queries = model.encode_query(["a text to search with"])\n'
                'documents = model.encode_document(["a text to find"])\n'
                "model.similarity(queries, documents)"
            )
        return (
            "from sentence_transformers import SentenceTransformer\n\n"
            f'model = SentenceTransformer("path/to/this/folder")\n{use}'
        )

    def format_value(self, value: Any) -> str:
        """Return an anchor's vector (1, size) as a list in JSON, a number with seven digits."""
        if isinstance(value, np.ndarray):
            return json.dumps(value[0].astype(np.float64).round(6).tolist())
        return f"{value:.7g}" if isinstance(value, float) else super().format_value(value)


def cosines(vectors: np.ndarray) -> np.ndarray:
    """Return the cosine similarity of each row's two unit vectors, (rows,)."""
    precise = vectors.astype(np.float64)
    return (precise[:, 0] * precise[:, 1]).sum(-1)
