"""data/model and the data → data/evaluation: scores with intervals, baselines, plots, a report.

`python -m stages.evaluate data/model data/tokenized data/raw data/zero_shot data/evaluation`
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from temper import metrics, params, tracking
from temper.core import arrow, artifacts, determinism, errors
from temper.core.errors import InputError
from temper.evaluation import report, tables
from temper.evaluation.example_evaluator import ExampleEvaluator
from temper.evaluation.label_evaluator import LabelEvaluator
from temper.prediction.predictor import Predictor

TRAIN_SAMPLE = 1000  # training rows scored to show the gap to validation


def build_evaluator(
    model_folder: Path, data: Any, raw: Any, zero_shot: Path, parameters: params.Params
) -> Any:
    """Return what scores the task's splits.

    Raises:
        InputError: the model's labels are not the data's.
    """
    predictor = Predictor(
        model_folder,
        parameters,
        engine="torch",
        batch_size=parameters.evaluate.batch_size,
        num_threads=parameters.determinism.num_threads,
    )
    names = predictor.task.read_label_names(data["train"].features) or []
    if names != predictor.task.label_names:
        raise InputError(
            f"the model's labels are {', '.join(predictor.task.label_names)}, the data's "
            f"{', '.join(names)}: they differ or stand in another order; train again"
        )
    data = {split: arrow.drop_augmented(rows) for split, rows in data.items()}
    has_labels = metrics.scores_logits(parameters.task.metrics)
    evaluator_class = LabelEvaluator if has_labels else ExampleEvaluator
    return evaluator_class(predictor, parameters, data, raw, zero_shot)


def evaluate(evaluator: Any, target: Path) -> dict[str, Any]:
    """Write every table and return metrics.json's content."""
    (target / "predictions").mkdir()
    evaluator.prepare(target)
    scored = {
        split: evaluator.score(split, target / "predictions" / f"{split}.csv")
        for split in evaluator.raw
        if split != "train"
    }
    labelled = {split: found for split, found in scored.items() if found.references is not None}
    found: dict[str, Any] = {
        k: evaluator.scores(v) | evaluator.intervals(v) for k, v in labelled.items()
    }
    found["baseline"] = evaluator.baselines(labelled)
    found["gap"] = score_gap(evaluator, found.get("validation"), target)
    shown = "test" if "test" in labelled else next(iter(labelled), None)
    if shown is not None:
        for name, table in evaluator.make_tables(shown, labelled[shown]).items():
            tables.write_csv(target / f"{name}.csv", table)
    return rounded(found)


def score_gap(evaluator: Any, validation: dict | None, target: Path) -> dict[str, float]:
    """Return how much better training rows are scored than validation rows.

    Packed training texts are no rows, so there it is left out.
    """
    if validation is None or evaluator.predictor.task.packing:
        return {}
    rows = len(evaluator.raw["train"])
    random = np.random.default_rng(evaluator.seed)
    chosen = np.sort(random.choice(rows, min(rows, TRAIN_SAMPLE), replace=False))
    aside = target / "train_sample.csv"
    found = evaluator.scores(evaluator.score("train", aside, chosen))
    aside.unlink()
    names = [name for name in evaluator.headline[:2] if name in found and name in validation]
    return {f"train_{name}": found[name] for name in names} | {
        f"{name}_gap": found[name] - validation[name] for name in names
    }


def rounded(value: Any) -> Any:
    """Round every number to 6 digits; leave out what is not one."""
    if isinstance(value, dict):
        kept = {k: rounded(v) for k, v in value.items()}
        return {k: v for k, v in kept.items() if not (isinstance(v, float) and not np.isfinite(v))}
    return round(float(value), 6)


def tracked(found: dict[str, Any], main_score: str) -> dict[str, float]:
    """Return what the tracker charts: scores, the main one's interval and baselines.

    Validation scores are those of the best weights; training's own curve has the plain names.
    """
    shown = "test" if "test" in found else "validation"
    charted = {}
    for split, prefix in (("test", "test/"), ("validation", "validation/best_")):
        for name, value in found.get(split, {}).items():
            if not name.endswith(("_low", "_high")) or name.startswith(f"{main_score}_"):
                charted[prefix + name] = value
    for name, splits in found["baseline"].items():
        if main_score in splits.get(shown, {}):
            charted[f"{shown}/baseline_{name}_{main_score}"] = splits[shown][main_score]
    return charted


def main(model_folder: Path, tokenized: Path, raw: Path, zero_shot: Path, target: Path) -> None:
    parameters = params.load()
    determinism.configure(parameters.determinism, parameters.seed)
    data = arrow.load(tokenized)
    evaluator = build_evaluator(model_folder, data, arrow.load(raw), zero_shot, parameters)
    kind = parameters.task.metrics
    with tracking.run("evaluate", parameters, model=model_folder) as run:
        with artifacts.atomic_dir(target) as folder:
            found = evaluate(evaluator, folder)
            artifacts.write_json(folder / "metrics.json", found)
            facts = artifacts.read_json(raw / "summary.json")
            report.write(folder, found, facts, parameters, evaluator.predictor.task.label_names)
        run.log_metrics(tracked(found, evaluator.headline[0]))
        run.describe(report.as_markdown(found, kind))
        run.log_artifacts(target, "evaluation")
    report.print_summary(found, kind)


if __name__ == "__main__":
    with errors.exit_on_input_error():
        determinism.prepare(params.load().determinism)
        main(*map(Path, sys.argv[1:]))
