"""Scores of tasks that give an example labels or a number: sequences and images."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from stages import metrics, outputs, own
from stages.evaluation import baselines, tables, zero_shot
from stages.evaluation.intervals import intervals
from stages.evaluation.scored import Scored, Setup, dense, score_split, scores
from stages.metrics import multi_label
from stages.tasks import arrays
from stages.trained import Trained


class Judge:
    """Scores splits of a label task.

    Args:
        trained: the model.
        parameters: all of them.
        data: tokenized splits.
        raw: their examples.
        zero_shot: the folder of the models that were not trained.
    """

    def __init__(self, trained: Trained, parameters: Any, data: Any, raw: Any, zero_shot: Path):
        self.trained, self.data, self.raw, self.zero_shot = trained, data, raw, zero_shot
        self.params, self.seed = parameters.evaluate, parameters.seed
        task = parameters.task
        names, positive = trained.task.names, self.params.positive_label
        self.target, self.kind = task.target
        self.setup = Setup(
            metrics=task.metrics,
            names=names,
            positive=names.index(positive) if positive in names else None,
            threshold=arrays.thresholds(self.params.threshold, names),
        )
        self.headline = metrics.module(task.metrics).HEADLINE
        self.own = own.metrics(parameters)

    def prepare(self, target: Path) -> None:
        """Set the multi-label thresholds from validation and write them down."""
        if self.params.threshold != "tuned" or self.kind != "classes":
            return
        split = "validation" if "validation" in self.data else "train"
        scored = self.score(split, target / "predictions" / f"{split}.csv")
        assert scored.references is not None
        known = scored.references[scored.sample].toarray()
        found = multi_label.tune_thresholds(scored.chances, known)
        self.setup = replace(self.setup, threshold=found)
        thresholds = zip(self.setup.names, found, strict=True)
        outputs.write_json(
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
            shape = (len(values), len(self.setup.names))
            return csr_array((np.ones(len(ids), dtype=bool), ids, ends), shape=shape)
        if any(value is None for value in values):
            return None
        return np.asarray(values)

    def score(self, split: str, target: Path, rows: np.ndarray | None = None) -> Scored:
        """Predict a split, or some rows of it, and keep what the tables need."""
        from tqdm import tqdm

        data, examples = self.data[split], self.raw[split]
        if rows is not None:
            data, examples = chosen(data, rows), examples.select(rows)
        with tqdm(total=len(examples), desc=target.stem, unit="row", leave=False) as bar:

            def windows():
                for start, logits, _ in self.trained.decoded(data, examples):
                    bar.update(len(logits))
                    yield start, np.stack(logits)

            known = self.references(examples)
            return score_split(windows(), known, len(examples), self.setup, target, self.seed)

    def scores(self, scored: Scored) -> dict[str, float]:
        found = scores(scored, self.setup)
        if self.own:
            sides = map(dense, (scored.predictions, scored.references))
            kind, names = self.setup.metrics, self.setup.names
            found |= own.scores(self.own, *(metrics.as_read(kind, side, names) for side in sides))
        return found

    def intervals(self, scored: Scored) -> dict[str, float]:
        return intervals(scored, self.setup, self.params.bootstrap_samples, self.seed)

    def baselines(self, labelled: dict[str, Scored]) -> dict[str, Any]:
        """Return the scores of every baseline by split."""
        train = self.references(self.raw["train"])
        assert train is not None
        inputs = {split: self.inputs(split) for split in ("train", *labelled)}
        found = baselines.predictions(inputs.pop("train"), train, inputs, self.setup, self.seed)
        for name, p in self.params.zero_shot.items():
            found[f"zero_shot_{name}"] = {
                split: zero_shot.predictions(
                    self.zero_shot / name, p, self.raw[split], self.trained.task
                )
                for split in labelled
            }
        return {
            name: {
                split: tables.baseline_scores(rows, labelled[split].references, self.setup)
                for split, rows in splits.items()
            }
            for name, splits in found.items()
        }

    def inputs(self, split: str) -> Any:
        """Return what a baseline sees: texts by column, or pixels (rows, values)."""
        if "pixel_values" in self.data[split].features:
            return np.stack([baselines.small(row) for row in self.data[split]])
        return [list(self.raw[split][name]) for name in self.trained.task.columns]

    def make_tables(self, split: str, scored: Scored) -> dict[str, tables.Table]:
        setup, p = self.setup, self.params
        found: dict[str, tables.Table] = {}
        if self.kind != "number":
            found["per_class"] = tables.per_class(scored, setup)
            found |= tables.curves(scored, setup)
        if self.kind == "class":
            found["confusion"], found["confused_pairs"] = tables.confusion(scored, setup)
        columns = {name: self.raw[split][name] for name in p.slices}
        found["slices"] = tables.slices(scored, columns, setup, p.bootstrap_samples, self.seed)
        found["worst"] = tables.worst(
            scored, tables.texts(self.raw[split], self.trained.task), setup, p.num_worst
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
