"""data/model and the data → data/evaluation: scores with intervals, baselines, plots, a report.

`python -m stages.evaluate data/model data/tokenized data/raw data/evaluation`
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse, vstack

from stages import arrow, determinism, errors, inference, outputs, params, tasks, tracking
from stages.errors import InputError
from stages.evaluation import baselines, report, tables
from stages.evaluation.intervals import intervals
from stages.evaluation.scored import Scored, Setup, score_names, score_split, scores
from stages.metrics import multi_label

TRAIN_SAMPLE = 1000  # training rows scored to show the gap to validation


class Scorer:
    """A loaded model and everything needed to score a split with it."""

    def __init__(self, model_folder: Path, data: Any, raw: Any, parameters: params.Params):
        import transformers
        from transformers import AutoTokenizer

        self.params, self.data, self.raw = parameters.evaluate, data, raw
        self.seed, self.task = parameters.seed, tasks.load(parameters.task)
        features = data["train"].features
        names = self.task.label_names(features) or []
        auto = getattr(transformers, self.task.auto_model)
        transformers.logging.disable_progress_bar()
        model = auto.from_pretrained(str(model_folder), local_files_only=True)
        found = [model.config.id2label[i] for i in range(model.config.num_labels)]
        if names and found != names:
            raise InputError(
                f"the model's labels are {', '.join(found)}, the data's {', '.join(names)}: "
                "they differ or stand in another order; train again"
            )
        positive = self.params.positive_label
        threshold = 0.5 if self.params.threshold == "tuned" else self.params.threshold
        self.setup = Setup(
            problem_type=parameters.task.problem_type,
            names=names,
            positive=names.index(positive) if positive in names else None,
            threshold=threshold,
        )
        tokenize = parameters.tokenize
        self.collate = self.task.collator(
            AutoTokenizer.from_pretrained(str(model_folder), local_files_only=True),
            num_outputs=self.task.num_outputs(features),
            max_length=tokenize.max_length if tokenize.padding == "max_length" else None,
            multiple_of=tokenize.pad_to_multiple_of,
        )
        self.forward = inference.torch_forward(model)

    def references(self, dataset: Any) -> Any | None:
        """Return a split's references, sparse for multi-label, or None where it is unlabelled."""
        size = inference.BATCHES_PER_WINDOW * self.params.batch_size
        parts = []
        for labels in (dataset[i : i + size]["labels"] for i in range(0, len(dataset), size)):
            found = self.collate([{"input_ids": [0], "labels": label} for label in labels])
            values = found["labels"]
            if (np.isnan(values) | (values == -100)).all():
                return None
            parts.append(csr_array(values.astype(bool)) if values.ndim > 1 else values)
        return vstack(parts, "csr") if issparse(parts[0]) else np.concatenate(parts)

    def score(self, dataset: Any, target: Path) -> Scored:
        """Predict a split, write its predictions, and keep what the tables need."""
        from tqdm import tqdm

        windows = inference.predict(self.forward, dataset, self.collate, self.params.batch_size)
        known = self.references(dataset)
        with tqdm(total=len(dataset), desc=target.stem, unit="row", leave=False) as bar:

            def shown():
                for start, logits in windows:
                    bar.update(len(logits))
                    yield start, logits

            return score_split(shown(), known, len(dataset), self.setup, target, self.seed)

    def texts(self, split: str) -> dict[str, Any]:
        return {name: self.raw[split][name] for name in self.task.columns}

    def with_intervals(self, scored: Scored) -> dict[str, float]:
        samples = self.params.bootstrap_samples
        return scores(scored, self.setup) | intervals(scored, self.setup, samples, self.seed)


def tune(scorer: Scorer, target: Path) -> None:
    """Set the multi-label thresholds from validation and write them down."""
    split = "validation" if "validation" in scorer.data else "train"
    scored = scorer.score(scorer.data[split], target / "predictions" / f"{split}.csv")
    assert scored.references is not None
    known = scored.references[scored.sample].toarray()
    found = multi_label.tune_thresholds(scored.chances, known)
    scorer.setup = replace(scorer.setup, threshold=found)
    outputs.write_json(
        target / "thresholds.json",
        {n: round(float(t), 4) for n, t in zip(scorer.setup.names, found, strict=True)},
    )


def evaluate(scorer: Scorer, target: Path) -> dict[str, Any]:
    """Write every table and return metrics.json's content."""
    (target / "predictions").mkdir()
    if scorer.params.threshold == "tuned" and scorer.setup.problem_type[0] == "m":
        tune(scorer, target)
    scored = {
        split: scorer.score(scorer.data[split], target / "predictions" / f"{split}.csv")
        for split in scorer.data
        if split != "train"
    }
    labelled = {split: found for split, found in scored.items() if found.references is not None}
    metrics: dict[str, Any] = {k: scorer.with_intervals(v) for k, v in labelled.items()}
    metrics["baseline"] = score_baselines(scorer, labelled)
    metrics["gap"] = score_gap(scorer, metrics.get("validation"), target)
    shown = "test" if "test" in labelled else next(iter(labelled), None)
    if shown is not None:
        write_tables(scorer, shown, labelled[shown], target)
    return rounded(metrics)


def score_baselines(scorer: Scorer, labelled: dict[str, Scored]) -> dict[str, Any]:
    train = scorer.references(scorer.data["train"])
    assert train is not None
    texts: dict[str, baselines.Texts] = {
        split: list(scorer.texts(split).values()) for split in ("train", *labelled)
    }
    known = texts.pop("train")
    found = baselines.predictions(known, train, texts, scorer.setup, scorer.seed)
    return {
        name: {
            split: tables.baseline_scores(rows, labelled[split].references, scorer.setup)  # type: ignore[arg-type]
            for split, rows in splits.items()
        }
        for name, splits in found.items()
    }


def score_gap(scorer: Scorer, validation: dict | None, target: Path) -> dict[str, float]:
    """Return how much better training rows are scored than validation rows."""
    if validation is None:
        return {}
    rows = len(scorer.data["train"])
    random = np.random.default_rng(scorer.seed)
    chosen = np.sort(random.choice(rows, min(rows, TRAIN_SAMPLE), replace=False))
    aside = target / "train_sample.csv"
    found = scores(scorer.score(scorer.data["train"].select(chosen), aside), scorer.setup)
    aside.unlink()
    names = [name for name in score_names(scorer.setup)[:2] if name in found and name in validation]
    return {f"train_{name}": found[name] for name in names} | {
        f"{name}_gap": found[name] - validation[name] for name in names
    }


def write_tables(scorer: Scorer, split: str, scored: Scored, target: Path) -> None:
    setup, p = scorer.setup, scorer.params
    found: dict[str, tables.Table] = {}
    if setup.problem_type != "regression":
        found["per_class"] = tables.per_class(scored, setup)
        found |= tables.curves(scored, setup)
    if setup.problem_type == "single_label_classification":
        found["confusion"], found["confused_pairs"] = tables.confusion(scored, setup)
    columns = {name: scorer.raw[split][name] for name in p.slices}
    found["slices"] = tables.slices(scored, columns, setup, p.bootstrap_samples, scorer.seed)
    found["worst"] = tables.worst(scored, scorer.texts(split), setup, p.num_worst)
    for name, table in found.items():
        tables.write_csv(target / f"{name}.csv", table)


def rounded(value: Any) -> Any:
    """Round every number to 6 digits; leave out what is not one."""
    if isinstance(value, dict):
        kept = {k: rounded(v) for k, v in value.items()}
        return {k: v for k, v in kept.items() if not (isinstance(v, float) and np.isnan(v))}
    return round(float(value), 6)


def tracked(metrics: dict[str, Any], setup: Setup) -> dict[str, float]:
    """Return what the tracker charts: scores, the main one's interval and baselines.

    Validation scores are those of the best weights; training's own curve has the plain names.
    """
    main_score = score_names(setup)[0]
    shown = "test" if "test" in metrics else "validation"
    found = {}
    for split, prefix in (("test", "test/"), ("validation", "validation/best_")):
        for name, value in metrics.get(split, {}).items():
            if not name.endswith(("_low", "_high")) or name.startswith(f"{main_score}_"):
                found[prefix + name] = value
    for name, splits in metrics["baseline"].items():
        if main_score in splits.get(shown, {}):
            found[f"{shown}/baseline_{name}_{main_score}"] = splits[shown][main_score]
    return found


def main(model_folder: Path, tokenized: Path, raw: Path, target: Path) -> None:
    parameters = params.load()
    determinism.configure(parameters.determinism, parameters.seed)
    scorer = Scorer(model_folder, arrow.load(tokenized), arrow.load(raw), parameters)
    with tracking.run("evaluate", parameters, model=model_folder) as run:
        with outputs.whole_folder(target) as folder:
            metrics = evaluate(scorer, folder)
            outputs.write_json(folder / "metrics.json", metrics)
            facts = outputs.read_json(raw / "summary.json")
            report.write(folder, metrics, facts, parameters, scorer.setup)
        run.log_metrics(tracked(metrics, scorer.setup))
        run.describe(report.as_markdown(metrics, scorer.setup))
        run.log_artifacts(target, "evaluation")
    report.print_summary(metrics, scorer.setup)


if __name__ == "__main__":
    with errors.reported():
        determinism.prepare(params.load().determinism)
        main(*map(Path, sys.argv[1:]))
