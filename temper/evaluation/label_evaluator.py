"""Scores of tasks that give an example labels or a number: sequences and images."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

from temper import metrics
from temper.core import artifacts
from temper.evaluation import baselines, bootstrap, split_result, tables, zero_shot
from temper.evaluation.baselines import Inputs
from temper.evaluation.evaluator import select_examples
from temper.evaluation.split_result import LabelSpec, SplitResult, dense
from temper.metrics import multi_label
from temper.params import user_code
from temper.params.schema import Params
from temper.prediction.predictor import EXAMPLES_PER_WINDOW, Predictor
from temper.tasks.base import label_predictions

if TYPE_CHECKING:
    from datasets import Dataset


class LabelEvaluator:
    """An `Evaluator` of label tasks.

    Args:
        predictor: the trained model.
        parameters: all of them.
        features: the tokenized splits.
        raw: their examples.
        zero_shot_folder: holds the zero-shot models by name.
    """

    def __init__(
        self,
        predictor: Predictor,
        parameters: Params,
        features: Mapping[str, "Dataset"],
        raw: Mapping[str, "Dataset"],
        zero_shot_folder: Path,
    ):
        self.predictor, self.features, self.raw = predictor, features, raw
        self.zero_shot_folder = zero_shot_folder
        self.params, self.seed = parameters.evaluate, parameters.seed
        names, positive = predictor.task.label_names, self.params.positive_label
        assert parameters.task.target is not None
        self.target_column, self.target_kind = parameters.task.target
        self.spec = LabelSpec(
            metrics=parameters.task.metrics,
            label_names=names,
            positive=None if positive not in names else names.index(positive),
            threshold=label_predictions.thresholds(self.params.threshold, names),
        )
        self.headline: tuple[str, ...] = metrics.load(parameters.task.metrics).HEADLINE
        self.custom_metrics = user_code.metrics(parameters)
        self.known_logits: dict[str, np.ndarray] = {}  # of splits that are scored twice

    def prepare(self, target: Path) -> None:
        """Tune the multi-label thresholds on validation and write them to `target`."""
        if self.params.threshold != "tuned" or self.target_kind != "classes":
            return
        split = "validation" if "validation" in self.features else "train"
        self.known_logits[split] = self.logits_on_disk(split, target)
        result = self.score(split, target / "predictions" / f"{split}.csv")
        assert result.references is not None
        references = result.references[result.sampled_rows].toarray()
        thresholds = multi_label.tune_thresholds(result.probabilities, references)
        self.spec = replace(self.spec, threshold=thresholds)
        by_label = zip(self.spec.label_names, thresholds, strict=True)
        artifacts.write_json(
            target / "thresholds.json", {name: round(float(t), 4) for name, t in by_label}
        )

    def references(self, examples: "Dataset") -> Any | None:
        """Return ids, sparse booleans (rows, labels) or numbers; None where there are none."""
        values = examples[self.target_column][:]
        if all(value is None or value == -1 for value in values) and self.target_kind != "number":
            return None
        if self.target_kind == "classes":
            ends = np.cumsum([0, *map(len, values)])
            ids = np.concatenate([np.asarray(row, dtype=int) for row in values])
            shape = (len(values), len(self.spec.label_names))
            return csr_array((np.ones(len(ids), dtype=bool), ids, ends), shape=shape)
        if any(value is None for value in values):
            return None
        return np.asarray(values)

    def score(self, split: str, target: Path, rows: np.ndarray | None = None) -> SplitResult:
        """Predict a split, or some rows of it, and keep what the tables need."""
        features, examples = self.features[split], self.raw[split]
        if rows is not None:
            features, examples = select_examples(features, rows), examples.select(rows)
        logits = self.known_logits.get(split) if rows is None else None
        if logits is None:
            windows = self.predict(features, examples, target.stem)
        else:
            starts = range(0, len(logits), EXAMPLES_PER_WINDOW)
            windows = ((start, logits[start : start + EXAMPLES_PER_WINDOW]) for start in starts)
        return split_result.score_split(
            windows, self.references(examples), len(examples), self.spec, target, self.seed
        )

    def predict(
        self, features: "Dataset", examples: "Dataset", name: str
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield `(first row, logits)` of each window, and show how far it is."""
        from tqdm import tqdm

        with tqdm(total=len(examples), desc=name, unit="row", leave=False) as bar:
            for start, logits, _ in self.predictor.predictions_by_window(features, examples):
                bar.update(len(logits))
                yield start, np.stack(logits)

    def logits_on_disk(self, split: str, folder: Path) -> np.ndarray:
        """Return a split's logits, mapped from a file in `folder` that has no name."""
        shape = len(self.raw[split]), len(self.spec.label_names)
        with tempfile.TemporaryFile(dir=folder) as file:
            logits = np.memmap(file, np.float32, "w+", shape=shape)
        for start, window in self.predict(self.features[split], self.raw[split], split):
            logits[start : start + len(window)] = window
        return logits

    def scores(self, result: SplitResult) -> dict[str, float]:
        scores = split_result.scores(result, self.spec)
        if self.custom_metrics:
            predictions, references = (
                metrics.to_label_names(self.spec.metrics, dense(ids), self.spec.label_names)
                for ids in (result.predictions, result.references)
            )
            scores |= user_code.scores(self.custom_metrics, predictions, references)
        return scores

    def intervals(self, result: SplitResult) -> dict[str, float]:
        return bootstrap.intervals(result, self.spec, self.params.bootstrap_samples, self.seed)

    def baselines(
        self, results: Mapping[str, SplitResult]
    ) -> dict[str, dict[str, dict[str, float]]]:
        train_labels = self.references(self.raw["train"])
        assert train_labels is not None
        inputs = {split: self.baseline_inputs(split) for split in ("train", *results)}
        by_baseline = baselines.predictions(
            inputs.pop("train"), train_labels, inputs, self.spec, self.seed
        )
        for name, p in self.params.zero_shot.items():
            folder = self.zero_shot_folder / name
            by_baseline[f"zero_shot_{name}"] = {
                split: zero_shot.predictions(folder, p, self.raw[split], self.predictor.task)
                for split in results
            }
        return {
            name: {
                split: split_result.prediction_scores(rows, results[split].references, self.spec)
                for split, rows in predictions.items()
            }
            for name, predictions in by_baseline.items()
        }

    def baseline_inputs(self, split: str) -> Inputs:
        """Return texts by column, or pixels (rows, values)."""
        if "pixel_values" in self.features[split].features:
            return np.stack([baselines.thumbnail_pixels(row) for row in self.features[split]])
        return [self.raw[split][name][:] for name in self.predictor.task.columns]

    def make_tables(self, split: str, result: SplitResult) -> dict[str, tables.Table]:
        spec, p, examples = self.spec, self.params, self.raw[split]
        named: dict[str, tables.Table] = {}
        if self.target_kind != "number":
            named["per_class"] = tables.per_class(result, spec)
            named |= tables.curves(result, spec)
        if self.target_kind == "class":
            named["confusion"], named["confused_pairs"] = tables.confusion(result, spec)
        slices = {name: examples[name] for name in p.slices}
        named["slices"] = tables.label_slices(result, slices, spec, p.bootstrap_samples, self.seed)
        inputs = tables.input_formatters(examples, self.predictor.task)
        named["worst"] = tables.worst_examples(result, inputs, spec, p.num_worst_examples)
        return named
