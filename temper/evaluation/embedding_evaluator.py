"""Scores of vectors: what each anchor finds in the split, or the similarity of scored pairs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from temper import inference
from temper.core import csv_file
from temper.evaluation import lexical
from temper.evaluation.evaluator import Evaluator, SplitResult
from temper.evaluation.tables import Table
from temper.models import loading
from temper.tasks.base import retrieval
from temper.tasks.base.retrieval import Corpus, Neighbours

NEIGHBOURS = 3  # that the report shows of a row

Vectors = Any  # (texts, size), dense or sparse


class SimilarityEvaluator(Evaluator):
    """Scores the cosine similarities of pairs beside those of words and of the untrained model."""

    def baseline_predictions(self, splits: Sequence[str]) -> dict[str, dict[str, Any]]:
        by_baseline: dict[str, dict[str, Any]] = {}
        for split in splits:
            for name, queries, documents in self.baseline_vectors(split):
                predictions = self.compare(split, queries, documents)
                by_baseline.setdefault(name, {})[split] = predictions
        return by_baseline

    def baseline_vectors(self, split: str) -> Iterator[tuple[str, Vectors, Vectors]]:
        """Yield the baselines' names, vectors of the split's queries, and of its documents."""
        queries, documents = self.texts(split)
        yield "tfidf", *lexical.tfidf(queries, documents)
        yield "bm25", *lexical.bm25(queries, documents)
        if self.has_untrained():
            yield "untrained", *self.pick(split, self.untrained_outputs(split))

    def has_untrained(self) -> bool:
        """Say whether the checkpoint had weights, and a vector for each token, before training."""
        folder = None if self.base_folder is None else self.base_folder / "weights"
        has_weights = folder is not None and any(folder.glob("*.safetensors"))
        return has_weights and not self.new_tokens

    def untrained_outputs(self, split: str) -> np.ndarray:
        """Return the vectors (rows, texts, size) of the checkpoint that training began with."""
        import transformers

        assert self.base_folder is not None
        transformers.logging.set_verbosity_error()  # a head that is not loaded is no news
        model = loading.load(self.base_folder / "weights", self.task.auto_model).float()
        forward = inference.torch_forward(model, self.task)
        run_batch = inference.logits_runner(forward, self.predictor.collate, self.task)
        size = self.params.batch_size
        return np.stack(list(inference.row_outputs(run_batch, self.features[split], size)))

    def texts(self, split: str) -> tuple[list[str], list[str]]:
        """Return the texts of a split's queries and documents."""
        first, second = (self.raw[split][name][:] for name in self.task.columns)
        return first, second

    def pick(self, split: str, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors of queries and of documents from those of rows (rows, texts, size)."""
        return vectors[:, 0], vectors[:, 1]

    def compare(self, split: str, queries: Vectors, documents: Vectors) -> Any:
        """Return a prediction per row: the similarity of its two texts."""
        products = queries * documents
        return np.asarray(products.sum(1)).ravel()


class RetrievalEvaluator(SimilarityEvaluator):
    """Ranks the positives and negatives of a split by their similarity to each anchor.

    Attributes:
        found: what the model's vectors found, by split.
    """

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.corpora: dict[str, Corpus] = {}
        self.found: dict[str, Neighbours] = {}

    def corpus(self, split: str) -> Corpus:
        """Return a labelled split's corpus."""
        if split not in self.corpora:
            self.corpora[split] = retrieval.build_corpus(self.features[split]["input_ids"])
        return self.corpora[split]

    def score(self, split: str, target: Path) -> SplitResult:
        """Rank a split's corpus and write what each anchor found to `target`, a CSV file."""
        if not self.is_labelled(self.raw[split]):
            return super().score(split, target)  # the anchors' vectors
        chunks = [np.stack(outputs) for _, outputs, _ in self.outputs_by_chunk(split)]
        vectors, corpus = self.pick(split, np.concatenate(chunks)), self.corpus(split)
        found = self.found[split] = retrieval.search(*vectors, corpus, NEIGHBOURS)
        texts, references = self.texts(split)[1], self.references(self.raw[split])
        with target.open("w", newline="", encoding="utf-8") as file:
            writer = csv_file.writer(file)
            writer.writerow(["row", "reference", "prediction", "score", "ranks"])
            for row, reference in enumerate(references):
                ranks, similarity = found.ranks[row], found.similarities[row, 0]
                nearest = texts[found.nearest[row, 0]]
                writer.writerow(
                    [row, reference, nearest, f"{similarity:.6f}", " ".join(map(str, ranks))]
                )
        return SplitResult(stats=self.per_example_stats(found.ranks, found.ranks))

    def texts(self, split: str) -> tuple[list[str], list[str]]:
        rows, names = self.raw[split], self.task.params.text_columns
        columns = [rows[name][:] for name in names]
        return columns[0], [columns[place][row] for row, place in self.corpus(split).first_place]

    def pick(self, split: str, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return vectors[:, 0], vectors[tuple(self.corpus(split).first_place.T)]

    def compare(self, split: str, queries: Vectors, documents: Vectors) -> Any:
        """Return the ranks of each anchor's positives."""
        return retrieval.search(queries, documents, self.corpus(split)).ranks

    def make_tables(self, split: str, result: SplitResult, predictions: Path) -> dict[str, Table]:
        """Return the tables, with the rank and the nearest neighbours of the worst rows."""
        by_name, found = super().make_tables(split, result, predictions), self.found[split]
        texts = self.texts(split)[1]
        for line in by_name["worst"]:
            row = line["row"]
            near = zip(found.similarities[row], found.nearest[row], strict=True)
            line["rank"] = found.ranks[row][0]
            line["neighbours"] = "\n".join(f"{score:.3f} {one_line(texts[i])}" for score, i in near)
        return by_name


def one_line(text: str) -> str:
    return " ".join(text.split())
