"""Scores of tasks that give an example labels or a number: sequences, images and clips."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper import metrics
from temper.core import artifacts
from temper.evaluation import baselines, tables, train_sample, zero_shot
from temper.evaluation.evaluator import Evaluator, Scores, SplitResult, sample_mask
from temper.evaluation.tables import Table
from temper.metrics import label_stats, multi_label
from temper.prediction.predictor import EXAMPLES_PER_CHUNK
from temper.tasks.base import label_predictions

if TYPE_CHECKING:
    from datasets import Dataset


class LabelEvaluator(Evaluator):
    """Scores labels and numbers, from the logits that the task decodes."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        names, positive = self.task.label_names, self.params.positive_label
        self.target_column, self.target_kind = self.task.params.target
        self.columns = ("score", *(f"score_{name}" for name in names))
        self.positive = label_predictions.positive_id(positive, names)
        self.per_example_stats = partial(self.module.per_example_stats, num_labels=len(names))
        if self.target_kind == "class":
            self.score_options = {"positive": self.positive}
        self.tunes = self.target_kind == "classes" and self.params.threshold == "tuned"
        self.tuning_split = "validation" if "validation" in self.features else "train"
        self.output_folder: Path | None = None  # once something is written

    def score(self, split: str, target: Path) -> SplitResult:
        self.output_folder = target.parent
        return super().score(split, target)

    @cached_property
    def tuning_logits(self) -> np.ndarray:
        """The logits that thresholds are tuned on, in a file without a name beside the output."""
        shape = len(self.raw[self.tuning_split]), len(self.task.label_names)
        with tempfile.TemporaryFile(dir=self.output_folder) as file:
            logits = np.memmap(file, np.float32, "w+", shape=shape)
        for start, chunk, _ in super().outputs_by_chunk(self.tuning_split):
            logits[start : start + len(chunk)] = chunk
        return logits

    @cached_property
    def threshold(self) -> float | np.ndarray:
        """The probability that a label needs, one for all or one each."""
        names = self.task.label_names
        if not self.tunes:
            return label_predictions.thresholds(self.params.threshold, names)
        examples = self.raw[self.tuning_split]
        sampled = sample_mask(len(examples), len(names), self.seed)
        logits = self.tuning_logits[sampled].astype(np.float64)
        probabilities = multi_label.outputs(logits, None, 0.5).probabilities
        return multi_label.tune_thresholds(
            probabilities, label_stats.dense(self.references(examples)[sampled])
        )

    def write_thresholds(self, target: Path) -> None:
        self.output_folder = target
        if self.tunes:
            by_label = zip(self.task.label_names, np.atleast_1d(self.threshold), strict=True)
            rounded = {name: round(float(threshold), 4) for name, threshold in by_label}
            artifacts.write_json(target / "thresholds.json", rounded)

    def is_labelled(self, examples: "Dataset") -> bool:
        values = examples[self.target_column][:]
        is_number = self.target_kind == "number"
        return None not in values and (is_number or any(value != -1 for value in values))

    def references(self, examples: "Dataset") -> Any:
        """Return ids, numbers (rows,), or sparse booleans (rows, labels)."""
        values = examples[self.target_column][:]
        if self.target_kind != "classes":
            return np.asarray(values)
        from scipy.sparse import csr_array

        ends = np.cumsum([0, *map(len, values)])
        ids = np.concatenate([np.asarray(row, dtype=int) for row in values])
        shape = (len(values), len(self.task.label_names))
        return csr_array((np.ones(len(ids), dtype=bool), ids, ends), shape=shape)

    def outputs_by_chunk(self, split: str) -> Iterator[tuple[int, Any, "Dataset"]]:
        """Yield logits; those that thresholds were tuned on are not predicted again."""
        if not self.tunes or split != self.tuning_split:
            yield from super().outputs_by_chunk(split)
            return
        for start in range(0, len(self.tuning_logits), EXAMPLES_PER_CHUNK):
            logits = self.tuning_logits[start : start + EXAMPLES_PER_CHUNK]
            yield start, logits, self.raw[split].select(range(start, start + len(logits)))

    def score_chunk(
        self, outputs: Sequence[np.ndarray], references: Any | None, sampled: np.ndarray
    ) -> tuple[SplitResult, list[list[str]]]:
        from scipy.sparse import csr_array

        logits = np.stack(outputs).astype(np.float64)
        dense = None if references is None else label_stats.dense(references)
        scored = self.module.outputs(logits, dense, self.threshold)
        predicted = self.named(scored.predictions)
        actual = [""] * len(logits) if dense is None else self.named(dense)
        cells = [
            [_text(r), _text(p), *(f"{number:.6f}" for number in (confidence, *probabilities))]
            for r, p, confidence, probabilities in zip(
                actual, predicted, scored.confidence, scored.probabilities, strict=True
            )
        ]
        predictions, keep = scored.predictions, sampled[: len(logits)]
        return SplitResult(
            stats=None if dense is None else self.per_example_stats(predictions, references),
            decoded_predictions=predicted if self.custom_metrics else (),
            decoded_references=actual if self.custom_metrics else (),
            outputs=replace(
                scored,
                predictions=predictions if predictions.ndim == 1 else csr_array(predictions),
                probabilities=scored.probabilities[keep],
                sampled_rows=keep,
            ),
            references=references,
        ), cells

    def named(self, values: np.ndarray) -> list:
        """Return numbers, or label names instead of ids."""
        return metrics.to_label_names(self.metrics_module, values, self.task.label_names)

    def scores(self, result: SplitResult) -> Scores:
        """Return also what sums do not give; the AUC is that of the sampled rows."""
        probability_scores = self.module.probability_scores(
            result.outputs, result.references, **self.score_options
        )
        return super().scores(result) | probability_scores

    def baseline_predictions(self, splits: Sequence[str]) -> dict[str, dict[str, Any]]:
        features, examples = train_sample.select(
            self.features["train"], self.raw["train"], baselines.MAX_ROWS, self.seed
        )
        by_baseline = baselines.predictions(
            self.baseline_inputs(features, examples),
            self.references(examples),
            {s: self.baseline_inputs(self.features[s], self.raw[s]) for s in splits},
            self.metrics_module,
            self.task.params.medium,
        )
        for name, p in self.params.zero_shot.items():
            folder = self.zero_shot_folder / name
            by_baseline[f"zero_shot_{name}"] = {
                split: zero_shot.predictions(folder, p, self.raw[split], self.task)
                for split in splits
            }
        return by_baseline

    def baseline_inputs(self, features: "Dataset", examples: "Dataset") -> baselines.Inputs:
        """Return texts by column, or pixels or spectra (rows, values)."""
        if self.task.params.medium == "image":
            return np.stack([baselines.thumbnail_pixels(row) for row in features])
        if self.task.params.medium == "audio":
            (column,) = self.task.columns
            return np.stack([baselines.spectrum(data) for data in examples[column][:]])
        return [texts[:] for texts in self.task.params.read_texts(examples).values()]

    def make_tables(self, split: str, result: SplitResult, predictions: Path) -> dict[str, Table]:
        by_name, names = super().make_tables(split, result, predictions), self.task.label_names
        if self.target_kind == "number":
            return by_name
        assert result.outputs is not None
        counts = label_stats.totals_by_label(result.stats.sum(0)[None])
        by_name["per_class"] = tables.per_class(
            names, counts.hits[0], counts.predicted[0], counts.actual[0]
        )
        by_name |= tables.curves(result.outputs, result.references, self.positive)
        if self.target_kind == "class":
            by_name["confusion"], by_name["confused_pairs"] = tables.confusion(
                result.outputs.predictions, result.references, names
            )
        return by_name

    def example_loss(self, result: SplitResult) -> np.ndarray:
        assert result.outputs is not None
        assert result.outputs.loss is not None
        return result.outputs.loss


def _text(value: float | str | list[str]) -> str:
    """Return a number, a label, or several joined by "|"."""
    if isinstance(value, list):
        return "|".join(value)
    return value if isinstance(value, str) else f"{value:.6g}"
