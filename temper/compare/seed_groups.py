"""Group models that differ in `seed` alone, and compare the groups over their seeds."""

from collections.abc import Sequence

from temper.compare import experiments, significance
from temper.compare.model_comparison import Comparison
from temper.compare.shared_rows import EvaluatedModel
from temper.compare.verdicts import format_p
from temper.evaluation.text_tables import Table, format_number

NOT_TRAINED_WITH = ("seed", "export.name", "export.license", "data.license", "data.description")
MAX_SCORES = 4  # in the table

Group = list[EvaluatedModel]


def group(models: Sequence[EvaluatedModel]) -> list[Group]:
    """Group models by configuration, in the order of the first ones; [] where each has one seed.

    Of models with the same parameters and seed only the first counts.
    """
    by_name = {model.name: model for model in models}
    groups = []
    opened = [model.experiment for model in models]
    for members in experiments.by_parameters(opened, NOT_TRAINED_WITH):
        seeds: dict[int, EvaluatedModel] = {}
        for member in members:
            seeds.setdefault(member.parameters.seed, by_name[member.name])
        groups.append(list(seeds.values()))
    return groups if any(len(members) > 1 for members in groups) else []


def names(members: Group) -> str:
    return ", ".join(model.name for model in members)


def scores(members: Group, metric: str) -> list[float]:
    """Return a score of each model; [] where one lacks it."""
    known = [model.scores[metric] for model in members if metric in model.scores]
    return known if len(known) == len(members) else []


def table(groups: Sequence[Group], result: Comparison) -> Table:
    """Return mean ± standard deviation of each configuration over its seeds."""
    metrics = [n for n in result.greater_is_better if any(scores(g, n) for g in groups)]
    metrics = metrics[:MAX_SCORES]
    rows = []
    for members in groups:
        values = [scores(members, metric) for metric in metrics]
        means = [experiments.format_mean(value) if value else "" for value in values]
        rows.append([names(members), str(len(members)), *means])
    head = ["trainings", "seeds", *metrics]
    return Table("configurations, mean ± standard deviation over seeds", head, rows)


def verdicts(groups: Sequence[Group], result: Comparison) -> list[str]:
    """Compare each configuration with the first one over their seeds, a line each."""
    if not groups:
        return []
    first, *others = groups
    lines = [
        f"{model.name} and {first[0].name} differ in the seed alone: their difference is training "
        "noise"
        for model in first[1:]
    ]
    main = result.main
    before = scores(first, main)
    for members in others:
        after = scores(members, main)
        if len(before) < 2 or len(after) < 2:
            continue
        low, high, p = significance.welch(before, after)
        value = (low + high) / 2
        side = "better" if (value > 0) == result.greater_is_better[main] else "worse"
        kind = f"significantly {side}" if p <= significance.LEVEL else "not significant"
        shown = [format_number(number, main, sign=True) for number in (value, low, high)]
        lines.append(
            f"configuration {names(members)} vs {names(first)}: {kind} "
            f"over {len(members)} and {len(first)} seeds ({main} {shown[0]}, "
            f"95 % CI {shown[1]} to {shown[2]}, Welch {format_p(p)})"
        )
    return lines
