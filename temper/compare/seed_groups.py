"""Group models that differ in `seed` alone, and compare the groups over their seeds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from temper.compare import significance
from temper.compare.compared_models import ComparedModel

NOT_TRAINED_WITH = ("seed", "export.name", "export.license", "data.license", "data.description")


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Trainings that differ in the seed alone."""

    names: list[str]
    values: dict[str, list[float]]  # of each score, by seed
    welch: tuple[float, float, float] | None  # low, high and p of the difference from the first


def differing(models: Sequence[ComparedModel]) -> dict[str, list[Any]]:
    """Return the parameters whose values differ, with the value of each model."""
    keys = dict.fromkeys(key for model in models for key in model.experiment.leaves)
    values_of = {key: [model.experiment.leaves.get(key) for model in models] for key in keys}
    return {key: values for key, values in values_of.items() if any(v != values[0] for v in values)}


def group(
    models: Sequence[ComparedModel],
    scores: Sequence[Mapping[str, float]],
    names: Sequence[str],
) -> list[Configuration]:
    """Group models by configuration, in the order of the first ones; [] where each has one seed.

    Of models with the same parameters and seed only the first counts.

    Args:
        models: of any configurations.
        scores: of each model.
        names: of the scores; the first is tested.
    """
    groups: dict[str, dict[int, int]] = {}
    for i, model in enumerate(models):
        leaves = model.experiment.leaves.items()
        relevant = {k: v for k, v in leaves if k not in NOT_TRAINED_WITH}
        seeds = groups.setdefault(json.dumps(relevant, sort_keys=True), {})
        seeds.setdefault(model.experiment.parameters.seed, i)
    if all(len(seeds) == 1 for seeds in groups.values()):
        return []
    first: list[float] = []
    configurations = []
    for members in (list(seeds.values()) for seeds in groups.values()):
        values = {
            name: [scores[i][name] for i in members] for name in names
            if all(name in scores[i] for i in members)
        }  # fmt: skip
        main = values.get(names[0], [])
        is_tested = len(first) > 1 and len(main) > 1
        welch = significance.welch(first, main) if is_tested else None
        first = first or main
        configurations.append(
            Configuration(names=[models[i].name for i in members], values=values, welch=welch)
        )
    return configurations
