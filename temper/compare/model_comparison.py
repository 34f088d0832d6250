"""Compare models with the first: their scores, paired tests and the rows that changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from temper import metrics
from temper.compare import shared_rows, significance, testable
from temper.compare.experiments import Experiment
from temper.compare.row_scores import Row
from temper.compare.shared_rows import EvaluatedModel
from temper.compare.significance import Difference, McNemar
from temper.evaluation.text_tables import Table
from temper.params import user_code

MAX_ROWS = 100  # listed in each direction
NONE = "none"  # an empty prediction or reference: no answer, no text


@dataclass(frozen=True, kw_only=True)
class ChangedRows:
    """The rows that changed in one direction."""

    count: int
    table: Table  # at most `MAX_ROWS`, those that changed most first; its title says which


@dataclass(frozen=True, kw_only=True)
class ModelComparison:
    """A model compared with the first one."""

    name: str
    first: str
    differences: list[Difference]  # of the main score first
    mcnemar: McNemar | None  # None where a row is not right or wrong
    num_same: int  # rows with the same prediction
    changed: tuple[ChangedRows, ChangedRows]  # better and worse than with the first model


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Scores and tests of all models; the others are compared with the first."""

    models: list[EvaluatedModel]
    samples: int  # of the bootstrap
    greater_is_better: dict[str, bool]  # of each score, the main one first
    comparisons: list[ModelComparison]
    notes: list[str]

    @property
    def main(self) -> str:
        return next(iter(self.greater_is_better))

    @property
    def rows(self) -> str:
        """Their number and split."""
        return f"{len(self.models[0].rows):,} {self.models[0].split} rows"


def compare(
    experiments: Sequence[Experiment], split: str | None, metric: str | None, samples: int
) -> Comparison:
    """Compare each model with the first.

    Args:
        split: test or validation; None as in `shared_rows.load`.
        metric: that decides the verdict; None takes the task's main one.

    Raises:
        InputError: the tasks or rows differ, or there is no such score.
    """
    module = testable.common_metrics_module(experiments)
    models = shared_rows.load(experiments, split)
    tested, notes = testable.check_scores(models, module)
    notes += [
        f"rows in another order, matched by content: {model.name}"
        for model in models
        if model.is_reordered
    ]
    parameters = experiments[0].parameters
    custom = [user_code.attribute_name(name) for name in parameters.evaluate.metrics or ()]
    candidates = [*metrics.load(module).HEADLINE, *custom]
    names = [name for name in candidates if any(name in model.scores for model in models)]
    main = testable.select_metric(metric, tested, names)
    names, tested = (sorted(group, key=lambda name: name != main) for group in (names, tested))
    directions = metrics.load(module).GREATER_IS_BETTER
    return Comparison(
        models=models,
        samples=samples,
        greater_is_better={name: directions.get(name, True) for name in names},
        comparisons=test_all(models, tested, samples),
        notes=notes,
    )


def test_all(
    models: Sequence[EvaluatedModel], metric_names: Sequence[str], samples: int
) -> list[ModelComparison]:
    """Test each model against the first; each metric is adjusted by Holm over the models."""
    scored = [model.scored for model in models]
    observed = significance.observed(scored)
    resampled = significance.resample(scored, samples, models[0].experiment.parameters.seed)
    others = range(1, len(models))
    by_metric = [
        significance.adjust(
            [
                significance.difference(name, observed[name][[0, i]], resampled[name][[0, i]])
                for i in others
            ]
        )
        for name in metric_names
    ]
    right = [scores.right for scores in scored if scores.right is not None]
    mcnemars = significance.adjust([significance.mcnemar(right[0], other) for other in right[1:]])
    return [
        ModelComparison(
            name=models[i].name,
            first=models[0].name,
            differences=[differences[i - 1] for differences in by_metric],
            mcnemar=mcnemar,
            num_same=sum(
                first["prediction"] == second["prediction"]
                for first, second in zip(models[0].rows, models[i].rows, strict=True)
            ),
            changed=changed_rows(models[0], models[i]),
        )
        for i, mcnemar in zip_longest(others, mcnemars)
    ]


def changed_rows(first: EvaluatedModel, second: EvaluatedModel) -> tuple[ChangedRows, ChangedRows]:
    """Return the rows that are better and worse with the second model, most changed first.

    Where a row is right or wrong, these are the ones that changed sides.
    """
    gain = first.scored.example_loss - second.scored.example_loss
    before, after = first.scored.right, second.scored.right
    if before is None or after is None:
        masks = gain > 0, gain < 0
        headings = f"better with {second.name}", f"better with {first.name}"
    else:
        masks = after & ~before, before & ~after
        headings = (
            f"wrong with {first.name}, right with {second.name}",
            f"right with {first.name}, wrong with {second.name}",
        )
    order = np.argsort(-np.abs(gain), kind="stable")
    better, worse = (
        list_rows(first, second, order[mask[order]], heading)
        for heading, mask in zip(headings, masks, strict=True)
    )
    return better, worse


def list_rows(
    first: EvaluatedModel, second: EvaluatedModel, rows: np.ndarray, heading: str
) -> ChangedRows:
    """Return some rows with their inputs and both predictions."""
    listed = rows[:MAX_ROWS].tolist()
    inputs = shared_rows.input_texts(first, listed)
    cells = [
        [str(i), *inputs[i].values(), first.rows[i]["reference"] or NONE,
         *(format_prediction(model.rows[i]) for model in (first, second))]
        for i in listed
    ]  # fmt: skip
    names = list(inputs[listed[0]]) if listed else []
    head = ["row", *names, "true", first.name, second.name]
    title = f"{len(rows):,} row{'' if len(rows) == 1 else 's'} {heading}"
    return ChangedRows(count=len(rows), table=Table(title, head, cells))


def format_prediction(row: Row) -> str:
    """Format a prediction, with its probability where the row has probabilities."""
    confidence = any(name.startswith("score_") for name in row) and row.get("score")
    prediction = row["prediction"] or NONE
    return f"{prediction} ({float(confidence):.2f})" if confidence else prediction
