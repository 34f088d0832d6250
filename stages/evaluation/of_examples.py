"""Scores of tasks whose predictions are tags, spans, choices, probabilities of tokens or texts.

Each example becomes a row of numbers whose sums give the scores (`stages.metrics`), so a slice is a
sum over some rows, and a bootstrap sample a weighted one.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stages import metrics, own
from stages.evaluation import tables
from stages.evaluation.intervals import QUANTILES, chunks
from stages.evaluation.of_labels import chosen
from stages.tasks.base import Part
from stages.trained import Trained


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A split's examples: their statistics (rows, numbers), and where their predictions stand."""

    references: bool | None  # None: the split has none, and only predictions were written
    statistics: np.ndarray
    file: Path
    counts: Any  # what a per-class table is made of, where the metrics have one
    read: tuple[list, list]  # predictions and references, where a user's metric wants them


class Judge:
    """Scores splits; see `of_labels.Judge`."""

    def __init__(self, trained: Trained, parameters: Any, data: Any, raw: Any, zero_shot: Path):
        self.trained, self.data, self.raw = trained, data, raw
        self.params, self.seed = parameters.evaluate, parameters.seed
        self.task, self.metrics = trained.task, metrics.module(parameters.task.metrics)
        self.headline = self.metrics.HEADLINE
        self.own = own.metrics(parameters)

    def prepare(self, target: Path) -> None:
        """Nothing is tuned."""

    def score(self, split: str, target: Path, rows: np.ndarray | None = None) -> Scored:
        """Predict a split, or some rows of it, and keep each example's statistics."""
        from tqdm import tqdm

        data, examples = self.data[split], self.raw[split]
        if rows is not None:
            data, examples = chosen(data, rows), examples.select(rows)
        has_references = self.task.references(examples) is not None
        read: tuple[list, list] = ([], [])
        statistics, counts = [], getattr(self.metrics, "no_counts", lambda: None)()
        with (
            target.open("w", newline="", encoding="utf-8") as file,
            tqdm(total=len(examples), desc=target.stem, unit="row", leave=False) as bar,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["row", "reference", "prediction"])
            for start, predictions, part in self.trained.decoded(data, examples):
                references = self.task.references(part) or [None] * len(predictions)
                if self.own:
                    read[0].extend(predictions)
                    read[1].extend(references)
                if has_references:
                    statistics.append(self.metrics.statistics(predictions, references))
                if has_references and counts is not None:
                    self.metrics.count(counts, predictions, references)
                shown = zip(references, predictions, strict=True)
                writer.writerows(
                    [start + i, self.task.shown(wanted), self.task.shown(found)]
                    for i, (wanted, found) in enumerate(shown)
                )
                bar.update(len(predictions))
        return Scored(
            references=True if has_references else None,
            statistics=np.concatenate(statistics) if statistics else np.empty((0, 0)),
            file=target,
            counts=counts,
            read=read,
        )

    def scores(self, scored: Scored) -> dict[str, float]:
        return self.of(scored.statistics) | own.scores(self.own, *scored.read)

    def of(self, statistics: np.ndarray) -> dict[str, float]:
        """Return the scores of some examples together."""
        found = self.metrics.from_sums(statistics.sum(0, keepdims=True))
        return {name: float(values[0]) for name, values in found.items()}

    def intervals(self, scored: Scored) -> dict[str, float]:
        return self.interval(scored.statistics)

    def interval(self, statistics: np.ndarray) -> dict[str, float]:
        """Return `<metric>_low` and `<metric>_high`, by redrawing examples (as `intervals`)."""
        random, rows = np.random.default_rng(self.seed), len(statistics)
        parts = []
        for size in chunks(self.params.bootstrap_samples, rows):
            weights = random.multinomial(rows, np.full(rows, 1 / rows), size).astype(float)
            parts.append(self.metrics.from_sums(weights @ statistics))
        found = {}
        for name in self.headline:
            low, high = np.quantile(np.concatenate([part[name] for part in parts]), QUANTILES)
            found |= {f"{name}_low": float(low), f"{name}_high": float(high)}
        return found

    def baselines(self, labelled: dict[str, Scored]) -> dict[str, Any]:
        """Return the scores of every baseline by split."""
        parts = {
            split: Part(self.raw[split], self.data[split], self.trained.collate)
            for split in ("train", *labelled)
        }
        found = self.task.baselines(parts.pop("train"), parts)
        return {
            name: {
                split: self.of(
                    self.metrics.statistics(
                        predictions, self.task.references(parts[split].examples) or []
                    )
                )
                for split, predictions in splits.items()
            }
            for name, splits in found.items()
        }

    def make_tables(self, split: str, scored: Scored) -> dict[str, tables.Table]:
        found: dict[str, tables.Table] = {"slices": self.slices(split, scored)}
        if scored.counts is not None:
            found["per_class"] = self.metrics.per_class(scored.counts)
        badness = self.metrics.badness(scored.statistics)
        order = np.argsort(-badness, kind="stable")[: self.params.num_worst]
        said = dict(read_rows(scored.file, set(order.tolist())))
        texts = tables.texts(self.raw[split], self.task)
        found["worst"] = [
            {
                "row": int(i),
                "loss": tables.rounded(badness[i]),
                "reference": said[int(i)]["reference"],
                "prediction": said[int(i)]["prediction"],
                **{name: column(int(i)) for name, column in texts.items()},
            }
            for i in order
        ]
        return found

    def slices(self, split: str, scored: Scored) -> tables.Table:
        """Return count, scores and intervals of the most frequent values of each slice column."""
        table = []
        for column in self.params.slices:
            values = np.array(["" if v is None else str(v) for v in self.raw[split][column]])
            for value, count in sorted(Counter(values.tolist()).most_common(tables.MOST_VALUES)):
                part = scored.statistics[values == value]
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
