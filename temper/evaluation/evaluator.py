"""Scores a task's splits by one model. `LabelEvaluator` adds what only labels and numbers have.

Each example becomes a row of numbers from whose sums the scores follow (`temper.metrics`), so a
slice is a sum over some rows, and a bootstrap sample a weighted one (docs/adr/0007).
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper import metrics
from temper.core import csv_file
from temper.evaluation import bootstrap, tables
from temper.evaluation.tables import Table
from temper.metrics.label_stats import LabelOutputs
from temper.params import user_code
from temper.params.schema import Params
from temper.prediction.predictor import Predictor
from temper.tasks.base import SplitData

if TYPE_CHECKING:
    from datasets import Dataset

SAMPLED_CELLS = 2_000_000  # rows x labels whose probabilities are kept

Scores = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class SplitResult:
    """A split's examples, or a chunk of them, without what holds rows x labels."""

    stats: Any  # per-example statistics, (examples, columns), also sparse; None without references
    decoded_predictions: Sequence = ()  # for custom metrics, empty without them
    decoded_references: Sequence = ()
    type_counts: Counter | None = None  # of entities
    outputs: LabelOutputs | None = None  # of labels and numbers
    references: Any = None  # theirs, shaped as the predictions
    confidence: Any = None  # (examples,): that a prediction is right; where rows are decided
    unscaled: Any = None  # (examples, 2): loss and confidence without `evaluate.temperature`


class Evaluator:
    """Scores tags, spans, choices, token statistics and texts, as the task decodes them.

    Args:
        base_folder: the model that training began with; None: it is not scored.
    """

    def __init__(
        self,
        predictor: Predictor,
        parameters: Params,
        features: Mapping[str, "Dataset"],
        raw: Mapping[str, "Dataset"],
        zero_shot_folder: Path,
        base_folder: Path | None = None,
    ):
        self.predictor, self.features, self.raw = predictor, features, raw
        self.zero_shot_folder, self.base_folder = zero_shot_folder, base_folder
        self.new_tokens = parameters.model.new_tokens
        self.task, self.params, self.seed = predictor.task, parameters.evaluate, parameters.seed
        self.extra_columns = parameters.data.extra_columns
        self.metrics_module = parameters.task.metrics
        self.module = metrics.load(self.metrics_module)
        self.headline: tuple[str, ...] = self.module.HEADLINE  # the main one first
        self.custom_metrics = user_code.metrics(parameters)
        self.per_example_stats: Callable[[Any, Any], Any] = self.module.per_example_stats
        self.score_options: dict[str, Any] = {}  # of `metrics.weighted_scores`
        self.columns: tuple[str, ...] = ()  # of a predictions file, after `prediction`

    def is_labelled(self, examples: "Dataset") -> bool:
        """Say whether a split can be scored."""
        return self.task.references(examples) is not None

    def references(self, examples: "Dataset") -> Any:
        """Return the references of examples of a labelled split, in the form of predictions."""
        return self.task.references(examples) or [None] * len(examples)

    def score(self, split: str, target: Path) -> SplitResult:
        """Predict a split and write the predictions to `target`, a CSV file."""
        examples = self.raw[split]
        is_labelled = self.is_labelled(examples)
        sampled = sample_mask(len(examples), len(self.task.label_names), self.seed)
        parts = []
        with target.open("w", newline="", encoding="utf-8") as file:
            writer = csv_file.writer(file)
            writer.writerow(["row", "reference", "prediction", *self.columns])
            for start, outputs, chunk in self.outputs_by_chunk(split):
                references = self.references(chunk) if is_labelled else None
                part, cells = self.score_chunk(outputs, references, sampled[start:])
                writer.writerows([start + i, *row] for i, row in enumerate(cells))
                parts.append(part)
        return joined(parts)

    def outputs_by_chunk(self, split: str) -> Iterator[tuple[int, Any, "Dataset"]]:
        """Yield `(first row, outputs, examples)` of each chunk, and show how far it is."""
        from tqdm import tqdm

        features, examples = self.features[split], self.raw[split]
        with tqdm(total=len(examples), desc=split, unit="row", leave=False, disable=None) as bar:
            for chunk in self.predictor.predictions_by_chunk(features, examples):
                bar.update(len(chunk[-1]))
                yield chunk

    def score_chunk(
        self, outputs: list, references: Any | None, sampled: np.ndarray
    ) -> tuple[SplitResult, list[list[str]]]:
        """Return a chunk's result, and the cells of its rows in the predictions file.

        Args:
            outputs: one per example, as `Task.decode` gives them.
            references: None without.
            sampled: whether to keep a row's probabilities; of the chunk and what follows it.
        """
        known = [None] * len(outputs) if references is None else references
        text = self.task.format_value
        cells = [[text(r), text(p)] for r, p in zip(known, outputs, strict=True)]
        count_types = getattr(self.module, "counts_by_type", None)
        return SplitResult(
            stats=None if references is None else self.per_example_stats(outputs, references),
            decoded_predictions=outputs if self.custom_metrics else (),
            decoded_references=known if self.custom_metrics else (),
            type_counts=count_types(outputs, known) if count_types and references else None,
        ), cells

    def scores(self, result: SplitResult) -> Scores:
        """Return every metric, custom ones too; NaN where one is not defined."""
        decoded = result.decoded_predictions, result.decoded_references
        return self.total_scores(result.stats) | user_code.scores(self.custom_metrics, *decoded)

    def total_scores(self, stats: Any) -> Scores:
        """Return the scores of some examples together."""
        return metrics.scores(self.metrics_module, stats, **self.score_options)

    def intervals(self, stats: Any) -> Scores:
        """Return `<metric>_low` and `<metric>_high` of the headline metrics of some examples."""
        score = partial(metrics.weighted_scores, self.metrics_module, **self.score_options)
        num_samples = self.params.bootstrap_samples
        return bootstrap.intervals(stats, score, self.headline, num_samples, self.seed)

    def baselines(self, splits: Sequence[str]) -> dict[str, dict[str, Scores]]:
        """Return scores by baseline and split."""
        references = {split: self.references(self.raw[split]) for split in splits}
        return {
            name: {
                split: self.total_scores(self.per_example_stats(predictions, references[split]))
                for split, predictions in by_split.items()
            }
            for name, by_split in self.baseline_predictions(splits).items()
        }

    def baseline_predictions(self, splits: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return predictions by baseline and split."""
        data = {
            split: SplitData(self.raw[split], self.features[split], self.predictor.collate)
            for split in ("train", *splits)
        }
        return self.task.baselines(data.pop("train"), data)

    def make_tables(self, split: str, result: SplitResult, predictions: Path) -> dict[str, Table]:
        """Return the tables of the report, by file name without `.csv`."""
        examples, count = self.raw[split], self.params.num_worst_examples
        slices = {name: examples[name] for name in self.params.slices}
        task, extra, loss = self.task.params, self.extra_columns, self.example_loss(result)

        def slice_scores(rows: np.ndarray) -> Scores:
            return self.total_scores(result.stats[rows]) | self.intervals(result.stats[rows])

        by_name = {
            "slices": tables.slice_table(slices, slice_scores, self.headline),
            "worst": tables.worst_rows(predictions, loss, examples, task, count, extra),
        }
        if result.type_counts is not None:
            by_name["per_class"] = tables.per_type(result.type_counts)
        return by_name

    def example_loss(self, result: SplitResult) -> np.ndarray:
        """Return what ranks the examples, the worst one highest, (examples,)."""
        return self.module.example_loss(result.stats)

    def decision_scores(self, result: SplitResult) -> Scores:
        """Return the scores of `evaluate.temperature`, `operating_point` and `abstain`."""
        return {}

    def write_decisions(self, target: Path, scores: dict[str, Scores]) -> None:
        """Write what was found on validation: `thresholds.json` and `decisions.json`."""


def sample_mask(num_rows: int, num_labels: int, seed: int) -> np.ndarray:
    """Return which rows are in a seeded sample of at most `SAMPLED_CELLS` cells, (rows,)."""
    most = max(SAMPLED_CELLS // max(num_labels, 1), 1)
    if num_rows <= most:
        return np.ones(num_rows, dtype=bool)
    mask = np.zeros(num_rows, dtype=bool)
    mask[np.random.default_rng(seed).choice(num_rows, most, replace=False)] = True
    return mask


def joined(parts: Sequence[Any]) -> Any:
    """Return what chunks hold one after the other: arrays, lists, counts, dataclasses of these."""
    from scipy.sparse import issparse, vstack

    first = parts[0]
    if first is None:
        return None
    if issparse(first):
        return vstack(parts, "csr")
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)
    if isinstance(first, Counter):
        return sum(parts, Counter())
    if is_dataclass(first):
        names = [field.name for field in fields(first)]
        return type(first)(**{n: joined([getattr(part, n) for part in parts]) for n in names})
    return list(chain(*parts))
