"""Scores of tasks whose predictions are tags, spans, choices, probabilities of tokens or texts.

Each example becomes a row of numbers whose sums give the scores (`temper.metrics`), so a slice is a
sum over some rows, and a bootstrap sample a weighted one.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from temper import metrics
from temper.evaluation import tables
from temper.evaluation.bootstrap import QUANTILES, chunks
from temper.evaluation.label_evaluator import chosen
from temper.params import user_code
from temper.prediction.predictor import Predictor
from temper.tasks.base import SplitData


@dataclass(frozen=True, kw_only=True)
class ExampleResults:
    """A split's examples: their statistics (rows, numbers), and where their predictions stand."""

    references: bool | None  # None: the split has none, and only predictions were written
    per_example_stats: np.ndarray
    file: Path
    counts: Any  # what a per-class table is made of, where the metrics have one
    read: tuple[list, list]  # predictions and references, where a user's metric wants them


class ExampleEvaluator:
    """Scores splits; see `of_labels.Judge`."""

    def __init__(self, predictor: Predictor, parameters: Any, data: Any, raw: Any, zero_shot: Path):
        self.predictor, self.data, self.raw = predictor, data, raw
        self.params, self.seed = parameters.evaluate, parameters.seed
        self.task, self.metrics = predictor.task, metrics.load(parameters.task.metrics)
        self.headline = self.metrics.HEADLINE
        self.own = user_code.metrics(parameters)

    def prepare(self, target: Path) -> None:
        """Nothing is tuned."""

    def score(self, split: str, target: Path, rows: np.ndarray | None = None) -> ExampleResults:
        """Predict a split, or some rows of it, and keep each example's statistics."""
        from tqdm import tqdm

        data, examples = self.data[split], self.raw[split]
        if rows is not None:
            data, examples = chosen(data, rows), examples.select(rows)
        has_references = self.task.references(examples) is not None
        read: tuple[list, list] = ([], [])
        per_example_stats, counts = [], getattr(self.metrics, "EntityCounts", lambda: None)()
        with (
            target.open("w", newline="", encoding="utf-8") as file,
            tqdm(total=len(examples), desc=target.stem, unit="row", leave=False) as bar,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["row", "reference", "prediction"])
            for start, predictions, part in self.predictor.decoded(data, examples):
                references = self.task.references(part) or [None] * len(predictions)
                if self.own:
                    read[0].extend(predictions)
                    read[1].extend(references)
                if has_references:
                    per_example_stats.append(
                        self.metrics.per_example_stats(predictions, references)
                    )
                if has_references and counts is not None:
                    counts.update(predictions, references)
                shown = zip(references, predictions, strict=True)
                writer.writerows(
                    [start + i, self.task.format_value(wanted), self.task.format_value(found)]
                    for i, (wanted, found) in enumerate(shown)
                )
                bar.update(len(predictions))
        return ExampleResults(
            references=True if has_references else None,
            per_example_stats=np.concatenate(per_example_stats)
            if per_example_stats
            else np.empty((0, 0)),
            file=target,
            counts=counts,
            read=read,
        )

    def scores(self, scored: ExampleResults) -> dict[str, float]:
        return self.of(scored.per_example_stats) | user_code.scores(self.own, *scored.read)

    def of(self, per_example_stats: np.ndarray) -> dict[str, float]:
        """Return the scores of some examples together."""
        found = self.metrics.aggregate(per_example_stats.sum(0, keepdims=True))
        return {name: float(values[0]) for name, values in found.items()}

    def intervals(self, scored: ExampleResults) -> dict[str, float]:
        return self.interval(scored.per_example_stats)

    def interval(self, per_example_stats: np.ndarray) -> dict[str, float]:
        """Return `<metric>_low` and `<metric>_high`, by redrawing examples (as `intervals`)."""
        random, rows = np.random.default_rng(self.seed), len(per_example_stats)
        parts = []
        for size in chunks(self.params.bootstrap_samples, rows):
            weights = random.multinomial(rows, np.full(rows, 1 / rows), size).astype(float)
            parts.append(self.metrics.aggregate(weights @ per_example_stats))
        found = {}
        for name in self.headline:
            low, high = np.quantile(np.concatenate([part[name] for part in parts]), QUANTILES)
            found |= {f"{name}_low": float(low), f"{name}_high": float(high)}
        return found

    def baselines(self, labelled: dict[str, ExampleResults]) -> dict[str, Any]:
        """Return the scores of every baseline by split."""
        parts = {
            split: SplitData(self.raw[split], self.data[split], self.predictor.collate)
            for split in ("train", *labelled)
        }
        found = self.task.baselines(parts.pop("train"), parts)
        return {
            name: {
                split: self.of(
                    self.metrics.per_example_stats(
                        predictions, self.task.references(parts[split].examples) or []
                    )
                )
                for split, predictions in splits.items()
            }
            for name, splits in found.items()
        }

    def make_tables(self, split: str, scored: ExampleResults) -> dict[str, tables.Table]:
        found: dict[str, tables.Table] = {"slices": self.slices(split, scored)}
        if scored.counts is not None:
            found["per_class"] = scored.counts.per_class()
        example_loss = self.metrics.example_loss(scored.per_example_stats)
        order = np.argsort(-example_loss, kind="stable")[: self.params.num_worst_examples]
        said = dict(read_rows(scored.file, set(order.tolist())))
        texts = tables.texts(self.raw[split], self.task)
        found["worst"] = [
            {
                "row": int(i),
                "loss": tables.rounded(example_loss[i]),
                "reference": said[int(i)]["reference"],
                "prediction": said[int(i)]["prediction"],
                **{name: column(int(i)) for name, column in texts.items()},
            }
            for i in order
        ]
        return found

    def slices(self, split: str, scored: ExampleResults) -> tables.Table:
        """Return count, scores and intervals of the most frequent values of each slice column."""
        table = []
        for column in self.params.slices:
            values = np.array(["" if v is None else str(v) for v in self.raw[split][column]])
            for value, count in sorted(Counter(values.tolist()).most_common(tables.MOST_VALUES)):
                part = scored.per_example_stats[values == value]
                found = self.of(part) | self.interval(part)
                row: dict[str, Any] = {"column": column, "value": value, "rows": count}
                for name in self.headline[:2]:
                    for key in (name, f"{name}_low", f"{name}_high"):
                        row[key] = tables.rounded(found[key])
                table.append(row)
        return table


def read_rows(file: Path, rows: set[int]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield some rows of a predictions file."""
    with file.open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            if int(row["row"]) in rows:
                yield int(row["row"]), row
