"""Entries that differ in `seed` alone → one configuration each: mean ± deviation over its seeds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from temper.compare import significance
from temper.compare.compared_models import ComparedModel

NOT_TRAINED_WITH = ("seed", "export.name", "export.license", "data.license", "data.description")


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Trainings with the same parameters but the seed."""

    names: list[str]
    values: dict[str, list[float]]  # of each score, by seed
    apart: tuple[float, float, float] | None  # from the first one: low, high, p (Welch)


def differing(compared_models: Sequence[ComparedModel]) -> dict[str, list[Any]]:
    """Return the parameters that are not the same in all entries, with the value of each."""
    keys = dict.fromkeys(key for model in compared_models for key in model.one.leaves)
    found = {key: [model.one.leaves.get(key) for model in compared_models] for key in keys}
    return {key: values for key, values in found.items() if any(v != values[0] for v in values)}


def group(
    compared_models: Sequence[ComparedModel],
    scores: Sequence[Mapping[str, float]],
    names: Sequence[str],
) -> list[Configuration]:
    """Return the configurations in the order of their first entries; [] where each has one seed.

    Two entries with the same parameters are one training, seen twice: the first stands for both.

    Args:
        entries: of any configurations.
        scores: of each entry.
        names: of the scores, the main one first; the test is about that.
    """
    found: dict[str, dict[int, int]] = {}
    for i, model in enumerate(compared_models):
        kept = {k: v for k, v in model.one.leaves.items() if k not in NOT_TRAINED_WITH}
        seeds = found.setdefault(json.dumps(kept, sort_keys=True), {})
        seeds.setdefault(model.one.parameters.seed, i)
    if all(len(seeds) == 1 for seeds in found.values()):
        return []
    base: list[float] = []
    configurations = []
    for members in (list(seeds.values()) for seeds in found.values()):
        values = {
            name: [scores[i][name] for i in members] for name in names
            if all(name in scores[i] for i in members)
        }  # fmt: skip
        mine = values.get(names[0], [])
        tested = len(base) > 1 and len(mine) > 1
        apart = significance.welch(base, mine) if tested else None
        base = base or mine
        configurations.append(
            Configuration(
                names=[compared_models[i].name for i in members], values=values, apart=apart
            )
        )
    return configurations
