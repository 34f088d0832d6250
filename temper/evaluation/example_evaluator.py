"""Scores of tasks whose predictions are tags, spans, choices, token statistics or texts.

Each example becomes a row of numbers whose sums give the scores (`temper.metrics`), so a slice is a
sum over some rows, and a bootstrap sample a weighted one.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper import metrics
from temper.core import csv_file
from temper.evaluation import bootstrap, tables
from temper.evaluation.evaluator import select_examples
from temper.metrics.entities import EntityCounts
from temper.params import user_code
from temper.params.schema import Params
from temper.prediction.predictor import Predictor
from temper.tasks.base import SplitData

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True, kw_only=True)
class ExampleResults:
    """A split's examples: their statistics, and the file that holds their predictions."""

    has_references: bool  # otherwise the predictions were written and nothing else
    per_example_stats: np.ndarray  # (examples, columns)
    predictions_file: Path
    entity_counts: EntityCounts | None  # of token classification
    decoded: tuple[list, list]  # predictions and references; empty without custom metrics


class ExampleEvaluator:
    """An `Evaluator`; its arguments are those of `LabelEvaluator`."""

    def __init__(
        self,
        predictor: Predictor,
        parameters: Params,
        features: Mapping[str, "Dataset"],
        raw: Mapping[str, "Dataset"],
        zero_shot_folder: Path,
    ):
        self.predictor, self.features, self.raw = predictor, features, raw
        self.params, self.seed = parameters.evaluate, parameters.seed
        self.task, self.module = predictor.task, metrics.load(parameters.task.metrics)
        self.headline: tuple[str, ...] = self.module.HEADLINE
        self.counts_entities = parameters.task.metrics == "entities"
        self.custom_metrics = user_code.metrics(parameters)

    def prepare(self, target: Path) -> None:
        """Do nothing: these tasks have no thresholds to tune."""

    def score(self, split: str, target: Path, rows: np.ndarray | None = None) -> ExampleResults:
        """Predict a split, or some rows of it, and keep each example's statistics."""
        from tqdm import tqdm

        features, examples = self.features[split], self.raw[split]
        if rows is not None:
            features, examples = select_examples(features, rows), examples.select(rows)
        has_references = self.task.references(examples) is not None
        decoded: tuple[list, list] = ([], [])
        stats: list[np.ndarray] = []
        entity_counts = EntityCounts() if self.counts_entities else None
        with (
            target.open("w", newline="", encoding="utf-8") as file,
            tqdm(total=len(examples), desc=target.stem, unit="row", leave=False) as bar,
        ):
            writer = csv_file.Writer(file)
            writer.writerow(["row", "reference", "prediction"])
            windows = self.predictor.predictions_by_window(features, examples)
            for start, predictions, window in windows:
                references = self.task.references(window) or [None] * len(predictions)
                if self.custom_metrics:
                    decoded[0].extend(predictions)
                    decoded[1].extend(references)
                if has_references:
                    stats.append(self.module.per_example_stats(predictions, references))
                if has_references and entity_counts is not None:
                    entity_counts.update(predictions, references)
                writer.writerows(self.csv_rows(start, references, predictions))
                bar.update(len(predictions))
        return ExampleResults(
            has_references=has_references,
            per_example_stats=np.concatenate(stats) if stats else np.empty((0, 0)),
            predictions_file=target,
            entity_counts=entity_counts,
            decoded=decoded,
        )

    def csv_rows(self, start: int, references: list, predictions: list) -> Iterator[list[Any]]:
        text = self.task.format_value
        for i, (reference, prediction) in enumerate(zip(references, predictions, strict=True)):
            yield [start + i, text(reference), text(prediction)]

    def scores(self, result: ExampleResults) -> dict[str, float]:
        custom = user_code.scores(self.custom_metrics, *result.decoded)
        return self.aggregate(result.per_example_stats) | custom

    def aggregate(self, stats: np.ndarray) -> dict[str, float]:
        """Return the scores of some examples together."""
        totals = self.module.aggregate(stats.sum(0, keepdims=True))
        return {name: float(values[0]) for name, values in totals.items()}

    def intervals(self, result: ExampleResults) -> dict[str, float]:
        return self.resample(result.per_example_stats)

    def resample(self, stats: np.ndarray) -> dict[str, float]:
        """Return the intervals of some examples together."""
        num_samples = self.params.bootstrap_samples
        return bootstrap.example_intervals(
            stats, self.module.aggregate, self.headline, num_samples, self.seed
        )

    def baselines(
        self, results: Mapping[str, ExampleResults]
    ) -> dict[str, dict[str, dict[str, float]]]:
        splits = {
            split: SplitData(self.raw[split], self.features[split], self.predictor.collate)
            for split in ("train", *results)
        }
        by_baseline = self.task.baselines(splits.pop("train"), splits)
        references = {s: self.task.references(data.examples) or [] for s, data in splits.items()}
        return {
            name: {
                split: self.aggregate(self.module.per_example_stats(rows, references[split]))
                for split, rows in predictions.items()
            }
            for name, predictions in by_baseline.items()
        }

    def make_tables(self, split: str, result: ExampleResults) -> dict[str, tables.Table]:
        examples, stats = self.raw[split], result.per_example_stats
        slices = {name: examples[name] for name in self.params.slices}

        def scores_of(rows: np.ndarray) -> dict[str, float]:
            return self.aggregate(stats[rows]) | self.resample(stats[rows])

        named: dict[str, tables.Table] = {
            "slices": tables.slice_table(slices, scores_of, self.headline)
        }
        if result.entity_counts is not None:
            named["per_class"] = result.entity_counts.per_class()
        named["worst"] = self.worst_examples(split, result)
        return named

    def worst_examples(self, split: str, result: ExampleResults) -> tables.Table:
        """Return the rows with the highest loss, worst first, with their inputs."""
        loss = self.module.example_loss(result.per_example_stats)
        order = np.argsort(-loss, kind="stable")[: self.params.num_worst_examples].tolist()
        written = dict(read_rows(result.predictions_file, set(order)))
        inputs = tables.input_formatters(self.raw[split], self.task)
        return [
            {
                "row": i,
                "loss": tables.rounded(loss[i]),
                "reference": written[i]["reference"],
                "prediction": written[i]["prediction"],
                **{name: text(i) for name, text in inputs.items()},
            }
            for i in order
        ]


def read_rows(file: Path, rows: set[int]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield some rows of a predictions file."""
    with file.open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            if int(row["row"]) in rows:
                yield int(row["row"]), row
