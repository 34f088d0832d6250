"""Scores of tasks that give an example labels or a number: sequences, images and clips."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper import metrics
from temper.evaluation import (
    baselines,
    decision_scores,
    decision_search,
    decision_table,
    found_rule,
    tables,
    train_sample,
    zero_shot,
)
from temper.evaluation.evaluator import Evaluator, Scores, SplitResult, sample_mask
from temper.evaluation.found_rule import FoundRule
from temper.evaluation.tables import Table
from temper.metrics import label_stats
from temper.params import evaluate_rules
from temper.prediction.predictor import EXAMPLES_PER_CHUNK
from temper.tasks.base import decisions, label_predictions
from temper.tasks.base.decisions import DecisionRule

if TYPE_CHECKING:
    from datasets import Dataset

    from temper.metrics.label_stats import LabelOutputs


class LabelEvaluator(Evaluator):
    """Scores labels and numbers, from the logits that the task decodes."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        names, positive = self.task.label_names, self.params.positive_label
        self.target_column, self.target_type = self.task.params.target
        self.columns = ("score", *(f"score_{name}" for name in names))
        self.positive = label_predictions.positive_id(positive, names)
        self.per_example_stats = partial(self.module.per_example_stats, num_labels=len(names))
        if self.target_type == "class":
            self.score_options = {"positive": self.positive}
        self.decides = any(getattr(self.params, key) for key in evaluate_rules.DECISIONS)
        needs_validation = evaluate_rules.users_of_validation(self.params)
        has_labels = "validation" in self.raw and self.is_labelled(self.raw["validation"])
        evaluate_rules.check_validation(needs_validation, has_labels=has_labels)
        self.tunes_thresholds = self.target_type == "classes" and self.params.threshold == "tuned"
        self.tunes = self.tunes_thresholds or bool(needs_validation)
        self.tuning_split = "validation" if "validation" in self.features else "train"
        if self.params.abstain is not None:
            self.columns += (label_predictions.ABSTAINED,)
        self.output_folder: Path | None = None  # once something is written

    def score(self, split: str, target: Path) -> SplitResult:
        self.output_folder = target.parent
        return super().score(split, target)

    @cached_property
    def tuning_logits(self) -> np.ndarray:
        """The logits that a rule is found on, in a file without a name beside the output."""
        shape = len(self.raw[self.tuning_split]), len(self.task.label_names)
        with tempfile.TemporaryFile(dir=self.output_folder) as file:
            logits = np.memmap(file, np.float32, "w+", shape=shape)
        for start, chunk, _ in super().outputs_by_chunk(self.tuning_split):
            logits[start : start + len(chunk)] = chunk
        return logits

    @cached_property
    def found(self) -> FoundRule:
        """How labels are decided for, with what is found on validation."""
        names, several = self.task.label_names, self.target_type == "classes"
        if not self.tunes:
            return FoundRule(rule=decisions.read(self.params, names, several=several))
        examples = self.raw[self.tuning_split]
        sampled = sample_mask(len(examples), len(names), self.seed)
        references = label_stats.dense(self.references(examples)[sampled])
        logits = self.tuning_logits[sampled].astype(np.float64)
        return found_rule.find(self.params, names, logits, references, self.seed)

    @property
    def rule(self) -> DecisionRule:
        return self.found.rule

    def write_decisions(self, target: Path, scores: dict[str, Scores]) -> None:
        self.output_folder = target
        if self.tunes_thresholds:
            decision_table.write_thresholds(target, self.rule, self.task.label_names)
        if self.decides:
            decision_table.write(target, self.found, self.task.label_names, scores)

    def is_labelled(self, examples: "Dataset") -> bool:
        values = examples[self.target_column][:]
        is_number = self.target_type == "number"
        return None not in values and (is_number or any(value != -1 for value in values))

    def references(self, examples: "Dataset") -> Any:
        """Return ids, numbers (rows,), or sparse booleans (rows, labels)."""
        values = examples[self.target_column][:]
        if self.target_type != "classes":
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

        logits, rule = np.stack(outputs).astype(np.float64), self.rule
        dense = None if references is None else label_stats.dense(references)
        scored = self.decided(logits, dense)
        confidence, unscaled = None, None
        if self.decides:
            confidence = rule.confidence(scored.probabilities, scored.predictions)
            unscaled = decision_scores.unscaled(rule, logits, dense, scored.predictions)
        predicted = self.named(scored.predictions)
        actual = [""] * len(logits) if dense is None else self.named(dense)
        cells = [
            [_text(r), _text(p), *(f"{number:.6f}" for number in (score, *probabilities))]
            for r, p, score, probabilities in zip(
                actual, predicted, scored.confidence, scored.probabilities, strict=True
            )
        ]
        if self.params.abstain is not None and confidence is not None:
            marks = rule.abstains(confidence).astype(str).tolist()
            cells = [[*row, mark] for row, mark in zip(cells, marks, strict=True)]
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
            confidence=confidence,
            unscaled=unscaled,
        ), cells

    def decided(self, logits: np.ndarray, references: np.ndarray | None) -> "LabelOutputs":
        """Return what the model says about rows, by the rule."""
        rule = self.rule
        scored = self.module.outputs(logits / rule.temperature, references, 0.5)
        if self.target_type == "number":
            return scored
        predictions = rule.predictions(scored.probabilities)
        scored = replace(scored, predictions=predictions)
        if rule.point is None or rule.several:
            return scored
        return replace(scored, confidence=rule.confidence(scored.probabilities, predictions))

    def named(self, values: np.ndarray) -> list:
        """Return numbers, or label names instead of ids."""
        return metrics.to_label_names(self.metrics_module, values, self.task.label_names)

    def scores(self, result: SplitResult) -> Scores:
        """Return also what sums do not give; the AUC is that of the sampled rows."""
        probability_scores = self.module.probability_scores(
            result.outputs, result.references, **self.score_options
        )
        return super().scores(result) | probability_scores

    def decision_scores(self, result: SplitResult) -> Scores:
        if not self.decides:
            return {}
        num_labels = len(self.task.label_names)
        return decision_scores.of_split(result, self.rule, self.params, num_labels, self.seed)

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
        if self.target_type == "number":
            return by_name
        assert result.outputs is not None
        counts = label_stats.totals_by_label(result.stats.sum(0)[None])
        by_name["per_class"] = tables.per_class(
            names, counts.hits[0], counts.predicted[0], counts.actual[0]
        )
        by_name |= tables.curves(result.outputs, result.references, self.positive)
        if result.confidence is not None and self.params.abstain is not None:
            is_right = decision_scores.right(result)
            curve = decision_search.risk_coverage(result.confidence, is_right)
            by_name["risk_coverage"] = tables.thinned(**curve)
        if self.target_type == "class":
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
