"""data/model and the data → data/evaluation: scores with intervals, baselines, plots, a report.

`python -m stages.evaluate data/model data/history data/tokenized data/raw data/zero_shot
data/evaluation data/base`
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temper import metrics, params, tracking
from temper.core import arrow, artifacts, determinism, errors, startup
from temper.core.errors import InputError
from temper.core.unedited import unedited
from temper.evaluation import decision_table, report, tables, train_sample
from temper.evaluation.embedding_evaluator import RetrievalEvaluator, SimilarityEvaluator
from temper.evaluation.evaluator import Evaluator
from temper.evaluation.label_evaluator import LabelEvaluator
from temper.models import light_imports
from temper.prediction.predictor import open_trained

if TYPE_CHECKING:
    from datasets import DatasetDict

EVALUATORS = {"retrieval": RetrievalEvaluator, "similarity": SimilarityEvaluator}  # by metrics


def build_evaluator(
    model_folder: Path,
    features: "DatasetDict",
    raw: "DatasetDict",
    zero_shot_folder: Path,
    parameters: params.Params,
    base: Path | None = None,
) -> Evaluator:
    """Load the model and return what scores the task's splits by it.

    Raises:
        InputError: the model's labels are not the data's.
    """
    predictor = open_trained(model_folder, parameters)
    label_names = predictor.task.read_label_names(features["train"].features) or []
    if label_names != predictor.task.label_names:
        raise InputError(
            f"the model's labels are {', '.join(predictor.task.label_names)}, the data's "
            f"{', '.join(label_names)}: they differ or are in another order; train again"
        )
    originals = {str(split): arrow.drop_augmented(rows) for split, rows in features.items()}
    examples = {str(split): rows for split, rows in raw.items()}
    scored_by = parameters.task.metrics
    if not predictor.task.packing:
        max_rows = train_sample.MAX_SCORED
        if scored_by == "retrieval" and "validation" in raw:  # ranks depend on the corpus' size
            max_rows = min(max_rows, len(raw["validation"]))
        originals[train_sample.NAME], examples[train_sample.NAME] = train_sample.select(
            originals["train"], examples["train"], max_rows, parameters.seed
        )
    default = LabelEvaluator if metrics.scores_logits(scored_by) else Evaluator
    evaluator_class = EVALUATORS.get(scored_by, default)
    return evaluator_class(predictor, parameters, originals, examples, zero_shot_folder, base)


def evaluate(evaluator: Evaluator, target: Path) -> dict[str, Any]:
    """Write every table and return metrics.json's content."""
    (target / "predictions").mkdir()
    splits = [split for split in evaluator.raw if split not in ("train", train_sample.NAME)]
    files = {split: target / "predictions" / f"{split}.csv" for split in splits}
    results = {split: evaluator.score(split, file) for split, file in files.items()}
    labelled = {split: result for split, result in results.items() if result.stats is not None}
    scores: dict[str, Any] = {
        split: evaluator.scores(result)
        | evaluator.intervals(result.stats)
        | evaluator.decision_scores(result)
        for split, result in labelled.items()
    }
    evaluator.write_decisions(target, scores)
    scores["baseline"] = evaluator.baselines(list(labelled))
    scores["gap"] = score_gap(evaluator, scores.get("validation"), target)
    main_split = "test" if "test" in labelled else next(iter(labelled), None)
    if main_split is not None:
        by_name = evaluator.make_tables(main_split, labelled[main_split], files[main_split])
        for name, table in by_name.items():
            tables.write_csv(target / f"{name}.csv", table)
    return rounded(scores)


def score_gap(
    evaluator: Evaluator, validation: dict[str, float] | None, target: Path
) -> dict[str, float]:
    """Return overfitting: the scores of training rows, minus those of validation.

    A task that packs texts has no training rows, so there the gap is left out.
    """
    if validation is None or train_sample.NAME not in evaluator.raw:
        return {}
    predictions_file = target / "train_sample.csv"
    train = evaluator.scores(evaluator.score(train_sample.NAME, predictions_file))
    predictions_file.unlink()
    names = [name for name in evaluator.headline[:2] if name in train and name in validation]
    return {f"train_{name}": train[name] for name in names} | {
        f"{name}_gap": train[name] - validation[name] for name in names
    }


def rounded(scores: Any) -> Any:
    """Round the numbers as in the tables; leave out those that are not finite."""
    if not isinstance(scores, dict):
        return tables.rounded(scores)
    items = {name: rounded(value) for name, value in scores.items()}
    return {k: v for k, v in items.items() if isinstance(v, dict) or np.isfinite(v)}


def tracked(scores: dict[str, Any], main_metric: str) -> dict[str, float]:
    """Return what the tracker charts: scores, and the main one's of the baselines.

    An interval's bounds would be two more charts with one bar each: the run's description has them.
    Validation scores are those of the best weights; training's own curve has the plain names.
    """
    main_split = "test" if "test" in scores else "validation"
    charted = {}
    for split, prefix in (("test", "test/"), ("validation", "validation/best_")):
        for name, value in scores.get(split, {}).items():
            if not name.endswith(("_low", "_high")):
                charted[prefix + name] = value
    for name, by_split in scores["baseline"].items():
        if main_metric in by_split.get(main_split, {}):
            key = f"{main_split}/baseline_{name}_{main_metric}"
            charted[key] = by_split[main_split][main_metric]
    return charted


def without_bounds(scores: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the model's scores alone, of which DVC shows each in a column."""
    return {
        split: {k: v for k, v in scores[split].items() if not k.endswith(("_low", "_high"))}
        for split in ("validation", "test")
        if split in scores
    }


def main(
    model_folder: Path,
    history: Path,
    tokenized: Path,
    raw: Path,
    zero_shot: Path,
    target: Path,
    base: Path | None = None,
) -> None:
    parameters = params.load()
    determinism.configure(parameters.determinism, parameters.seed)
    features, examples = arrow.load(tokenized), arrow.load(raw)
    evaluator = build_evaluator(model_folder, features, examples, zero_shot, parameters, base)
    startup.end_imports()
    metrics_module, label_names = parameters.task.metrics, evaluator.predictor.task.label_names
    with tracking.run("evaluate", parameters, model=model_folder) as run:
        with artifacts.atomic_dir(target) as folder:
            scores = evaluate(evaluator, folder)
            artifacts.write_json(folder / "metrics.json", scores)
            artifacts.write_json(folder / "scores.json", without_bounds(scores))
            data_summary = artifacts.read_json(raw / "summary.json")
            taught = artifacts.read_optional_json(model_folder / artifacts.TAUGHT_FILE)
            report.write(folder, history, scores, data_summary, parameters, label_names, taught)
        run.log_metrics(tracked(scores, evaluator.headline[0]))
        texts = [report.text_table(scores, metrics_module)]
        if decisions := decision_table.read(target):
            texts.append(decision_table.text_table(decisions))
        run.describe("\n\n".join(table.to_markdown() for table in texts))
        run.log_artifact(target, "evaluation")
    if num_cut := evaluator.predictor.num_cut:
        most = evaluator.predictor.input_limit[1]
        print(f"prompts longer than {most}, which were cut: {num_cut:,}")
    print(report.headline(scores, metrics_module))


if __name__ == "__main__":
    startup.collect_rarely()
    with errors.exit_on_input_error():
        determinism.prepare((parameters := params.load()).determinism)
        tracking.begin()
        light_imports.leave_out(parameters)
        with unedited():
            main(*map(Path, sys.argv[1:]))
