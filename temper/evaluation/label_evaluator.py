"""Scores of tasks that give an example labels or a number: sequences and images."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from temper import metrics
from temper.core import artifacts
from temper.evaluation import baselines, tables, zero_shot
from temper.evaluation.bootstrap import intervals
from temper.evaluation.split_result import LabelSpec, SplitResult, dense, score_split, scores
from temper.metrics import multi_label
from temper.params import user_code
from temper.prediction.predictor import Predictor
from temper.tasks.base import labels


class LabelEvaluator:
    """Scores splits of a label task.

    Args:
        trained: the model.
        parameters: all of them.
        data: tokenized splits.
        raw: their examples.
        zero_shot: the folder of the models that were not trained.
    """

    def __init__(self, predictor: Predictor, parameters: Any, data: Any, raw: Any, zero_shot: Path):
        self.predictor, self.data, self.raw, self.zero_shot = predictor, data, raw, zero_shot
        self.params, self.seed = parameters.evaluate, parameters.seed
        task = parameters.task
        names, positive = predictor.task.label_names, self.params.positive_label
        self.target, self.kind = task.target
        self.spec = LabelSpec(
            metrics=task.metrics,
            names=names,
            positive=names.index(positive) if positive in names else None,
            threshold=labels.thresholds(self.params.threshold, names),
        )
        self.headline = metrics.load(task.metrics).HEADLINE
        self.own = user_code.metrics(parameters)

    def prepare(self, target: Path) -> None:
        """Set the multi-label thresholds from validation and write them down."""
        if self.params.threshold != "tuned" or self.kind != "classes":
            return
        split = "validation" if "validation" in self.data else "train"
        scored = self.score(split, target / "predictions" / f"{split}.csv")
        assert scored.references is not None
        known = scored.references[scored.sample].toarray()
        found = multi_label.tune_thresholds(scored.probabilities, known)
        self.spec = replace(self.spec, threshold=found)
        thresholds = zip(self.spec.names, found, strict=True)
        artifacts.write_json(
            target / "thresholds.json", {n: round(float(t), 4) for n, t in thresholds}
        )

    def references(self, examples: Any) -> Any | None:
        """Return ids, sparse booleans (rows, labels) or numbers; None where there are none."""
        values = list(examples[self.target])
        if all(value is None or value == -1 for value in values) and self.kind != "number":
            return None
        if self.kind == "classes":
            ends = np.cumsum([0, *map(len, values)])
            ids = np.concatenate([np.asarray(row, dtype=int) for row in values])
            shape = (len(values), len(self.spec.names))
            return csr_array((np.ones(len(ids), dtype=bool), ids, ends), shape=shape)
        if any(value is None for value in values):
            return None
        return np.asarray(values)

    def score(self, split: str, target: Path, rows: np.ndarray | None = None) -> SplitResult:
        """Predict a split, or some rows of it, and keep what the tables need."""
        from tqdm import tqdm

        data, examples = self.data[split], self.raw[split]
        if rows is not None:
            data, examples = chosen(data, rows), examples.select(rows)
        with tqdm(total=len(examples), desc=target.stem, unit="row", leave=False) as bar:

            def windows():
                for start, logits, _ in self.predictor.decoded(data, examples):
                    bar.update(len(logits))
                    yield start, np.stack(logits)

            known = self.references(examples)
            return score_split(windows(), known, len(examples), self.spec, target, self.seed)

    def scores(self, scored: SplitResult) -> dict[str, float]:
        found = scores(scored, self.spec)
        if self.own:
            sides = map(dense, (scored.predictions, scored.references))
            kind, names = self.spec.metrics, self.spec.names
            found |= user_code.scores(
                self.own, *(metrics.to_label_names(kind, side, names) for side in sides)
            )
        return found

    def intervals(self, scored: SplitResult) -> dict[str, float]:
        return intervals(scored, self.spec, self.params.bootstrap_samples, self.seed)

    def baselines(self, labelled: dict[str, SplitResult]) -> dict[str, Any]:
        """Return the scores of every baseline by split."""
        train = self.references(self.raw["train"])
        assert train is not None
        inputs = {split: self.inputs(split) for split in ("train", *labelled)}
        found = baselines.predictions(inputs.pop("train"), train, inputs, self.spec, self.seed)
        for name, p in self.params.zero_shot.items():
            found[f"zero_shot_{name}"] = {
                split: zero_shot.predictions(
                    self.zero_shot / name, p, self.raw[split], self.predictor.task
                )
                for split in labelled
            }
        return {
            name: {
                split: tables.baseline_scores(rows, labelled[split].references, self.spec)
                for split, rows in splits.items()
            }
            for name, splits in found.items()
        }

    def inputs(self, split: str) -> Any:
        """Return what a baseline sees: texts by column, or pixels (rows, values)."""
        if "pixel_values" in self.data[split].features:
            return np.stack([baselines.small(row) for row in self.data[split]])
        return [list(self.raw[split][name]) for name in self.predictor.task.columns]

    def make_tables(self, split: str, scored: SplitResult) -> dict[str, tables.Table]:
        spec, p = self.spec, self.params
        found: dict[str, tables.Table] = {}
        if self.kind != "number":
            found["per_class"] = tables.per_class(scored, spec)
            found |= tables.curves(scored, spec)
        if self.kind == "class":
            found["confusion"], found["confused_pairs"] = tables.confusion(scored, spec)
        columns = {name: self.raw[split][name] for name in p.slices}
        found["slices"] = tables.slices(scored, columns, spec, p.bootstrap_samples, self.seed)
        found["worst"] = tables.worst(
            scored, tables.texts(self.raw[split], self.predictor.task), spec, p.num_worst_examples
        )
        return found


def chosen(data: Any, rows: np.ndarray) -> Any:
    """Return the features of some examples, in order."""
    if "example_id" not in data.features:
        return data.select(rows)
    ids = np.asarray(data["example_id"])
    kept = data.select(np.flatnonzero(np.isin(ids, rows)))
    renumbered = np.searchsorted(rows, np.asarray(kept["example_id"]))
    return kept.remove_columns("example_id").add_column("example_id", renumbered.tolist())
