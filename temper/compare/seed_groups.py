"""Group models that differ in `seed` alone, and compare the groups over their seeds."""

import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from temper.compare import experiments, shared_rows, significance
from temper.compare.experiments import Experiment
from temper.compare.model_comparison import Comparison
from temper.compare.shared_rows import EvaluatedModel
from temper.compare.significance import Difference
from temper.compare.verdicts import format_difference, format_p, p_value, side
from temper.evaluation.text_tables import Table
from temper.repo import hashes

NOT_TRAINED_WITH = ("seed", "export.name", "export.license", "data.license", "data.description")
OF_ROWS = ("data/raw", "data/tokenized")  # of all splits; those of train have a digest
Key = tuple[int, str | None, str | None]  # parameters, digests of the training rows and of the code
Tests = Sequence[Mapping[str, Difference]]  # of each configuration but the first, by score


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Models that differ in `seed` alone."""

    name: str  # what tells it from the first: parameters, or its training rows or code
    models: list[EvaluatedModel]

    @property
    def trainings(self) -> str:
        return ", ".join(model.name for model in self.models)

    def scores(self, metric: str) -> list[float]:
        """Return a score of each model; [] where one lacks it."""
        known = [model.scores[metric] for model in self.models if metric in model.scores]
        return known if len(known) == len(self.models) else []


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a configuration is better than the first one."""

    text: str
    outcome: str  # better, worse or open
    difference: Difference


def group(models: Sequence[EvaluatedModel]) -> list[Configuration]:
    """Group models by configuration, in the order of the first ones; [] where each has one seed.

    A configuration is the parameters, the training rows, the code and the base model. Of models
    with the same configuration and seed only the first counts.
    """
    by_name = {model.name: model for model in models}
    groups = by_configuration([model.experiment for model in models])
    names = describe({key: next(iter(seeds.values())) for key, seeds in groups.items()})
    return [
        Configuration(name=name, models=[by_name[member.name] for member in seeds.values()])
        for name, seeds in zip(names, groups.values(), strict=True)
    ]


def by_configuration(opened: Sequence[Experiment]) -> dict[Key, dict[int, Experiment]]:
    """Return the experiments of each configuration by seed; {} where each has one seed."""
    groups: dict[Key, dict[int, Experiment]] = {}
    for i, members in enumerate(experiments.by_parameters(opened, NOT_TRAINED_WITH)):
        for member in members:
            key = i, shared_rows.digest(member, "train"), code_digest(member)
            groups.setdefault(key, {}).setdefault(member.parameters.seed, member)
    return groups if any(len(seeds) > 1 for seeds in groups.values()) else {}


def code_digest(experiment: Experiment) -> str | None:
    """Return the sha256 of what dvc.lock says of the code and base model; None where unknown."""
    stages = experiments.locked_stages(experiment)
    if stages is None:
        return None
    md5s = [
        {path: md5 for path, md5 in hashes(stages.get(name, {}), "deps").items()
         if path not in OF_ROWS}
        for name in ("tokenize", "train")
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(md5s, sort_keys=True).encode()).hexdigest()


def describe(groups: Mapping[Key, Experiment]) -> list[str]:
    """Return the parameters of the first that others change, and of these what they change.

    Training rows and code are named where only they may differ; a single configuration by its
    model.
    """
    leaves = [experiment.leaves for experiment in groups.values()]
    keys = [key for key in dict.fromkeys(chain(*leaves)) if key not in NOT_TRAINED_WITH]
    columns = [(f"{key}=", [values.get(key) for values in leaves]) for key in keys]
    parameters, *digests = zip(*groups, strict=True) if groups else ((),)
    if len(set(parameters)) < len(groups):
        for kind, column in zip(("training rows ", "code "), digests, strict=True):
            columns.append((kind, [(digest or "unknown")[:7] for digest in column]))
    names: list[list[str]] = [[] for _ in leaves]
    for label, values in columns:
        if all(value == values[0] for value in values):
            continue
        for i, shown in enumerate(experiments.format_values(values)):
            names[i] += [f"{label}{shown}"] if i == 0 or values[i] != values[0] else []
    return [", ".join(parts) or str(leaves[0]["model.name"]) for parts in names]


def test_all(configurations: Sequence[Configuration], result: Comparison) -> Tests:
    """Test each configuration against the first by Welch's t-test over the seeds.

    Scores of a configuration with one seed are not tested, nor those in which no seed differs. The
    p-values of each score are adjusted by Holm over the configurations.
    """
    first, *others = configurations
    tests: list[dict[str, Difference]] = [{} for _ in others]
    for metric in result.greater_is_better:
        before = first.scores(metric)
        found = []
        for target, other in zip(tests, others, strict=True):
            after = other.scores(metric)
            if difference := welch(metric, before, after):
                found.append((target, difference))
        adjusted = significance.adjust([difference for _, difference in found])
        for (target, _), difference in zip(found, adjusted, strict=True):
            target[metric] = difference
    return tests


def welch(metric: str, before: Sequence[float], after: Sequence[float]) -> Difference | None:
    """Return the difference of two means over seeds by Welch; None where it cannot be tested."""
    if min(len(before), len(after)) < 2 or (test := significance.welch(before, after)) is None:
        return None
    low, high, p = test
    value = statistics.fmean(after) - statistics.fmean(before)
    return Difference(metric=metric, value=value, low=low, high=high, p=p, adjusted=p)


def table(configurations: Sequence[Configuration], tests: Tests, result: Comparison) -> Table:
    """Return each score of each configuration over its seeds, with its p-value."""
    rows = []
    for metric in result.greater_is_better:
        shown = metric
        for configuration, differences in zip(configurations, [{}, *tests], strict=True):
            if not (scores := configuration.scores(metric)):
                continue
            mean = experiments.format_mean(scores)
            p = p_value(differences[metric].adjusted) if metric in differences else ""
            rows.append([shown, configuration.name, str(len(scores)), mean, p])
            shown = ""
    head = ["score", "configuration", "seeds", "mean ± SD", "p"]
    return Table("configurations over their seeds", head, rows)


def count_tests(tests: Tests, metric: str) -> int:
    return sum(metric in differences for differences in tests)


def method(configurations: Sequence[Configuration], tests: Tests, result: Comparison) -> str:
    """Say how the numbers of the table were computed."""
    text = f"Mean ± sample standard deviation over seeds, on {result.rows}."
    if num_tested := max(count_tests(tests, metric) for metric in result.greater_is_better):
        text += f" p: Welch's t-test over seeds against {configurations[0].name}"
        text += f", Holm-adjusted for {num_tested} configurations" if num_tested > 1 else ""
        text += ", not adjusted over the scores." if len(result.greater_is_better) > 1 else "."
    lower = [name for name, greater in result.greater_is_better.items() if not greater]
    return f"{text} Lower is better: {', '.join(lower)}." if lower else text


def remarks(configurations: Sequence[Configuration], tests: Tests, result: Comparison) -> list[str]:
    """Say how the table was computed, of which models, and which it leaves out."""
    if not configurations:
        return []
    first, *others = configurations
    lines = [method(configurations, tests, result)]
    for configuration in configurations:
        lines.append(f"{configuration.name}: {configuration.trainings}")
        if len(configuration.models) > 1:
            lines[-1] += "; they differ in the seed alone: their differences are training noise"
    counted = {model.name for configuration in configurations for model in configuration.models}
    lines += [
        f"{model.name} is not in the table: a model above has its parameters, rows, code and seed"
        for model in result.models
        if model.name not in counted
    ]
    for other, differences in zip(others, tests, strict=True):
        equal = [
            metric
            for metric in result.greater_is_better
            if metric not in differences
            and min(len(first.scores(metric)), len(other.scores(metric))) > 1
        ]
        if equal:
            lines.append(f"{other.name}: {', '.join(equal)} not tested: no seed differs")
    if len(first.models) < 2 and any(len(other.models) > 1 for other in others):
        lines.append(
            f"no configuration is tested: {first.models[0].name}, which was named first, has one "
            "seed; name the seeds of the configuration to compare with first"
        )
    return lines


def verdicts(
    configurations: Sequence[Configuration], tests: Tests, result: Comparison
) -> list[Verdict]:
    """Compare each configuration with the first one over their seeds by the main score."""
    if not configurations:
        return []
    first, *others = configurations
    num_tested = count_tests(tests, result.main)
    holm = f", Holm over {num_tested} configurations" if num_tested > 1 else ""
    found = []
    for other, differences in zip(others, tests, strict=True):
        if (difference := differences.get(result.main)) is None:
            continue
        outcome = side(difference, result)
        kind = "not significant" if outcome == "open" else f"significantly {outcome}"
        text = (
            f"{other.name} vs {first.name}: {kind} "
            f"over {len(other.models)} and {len(first.models)} seeds ({result.main} "
            f"{format_difference(difference)}, Welch {format_p(difference.adjusted)}{holm})"
        )
        found.append(Verdict(text=text, outcome=outcome, difference=difference))
    return found
