"""Put the tests of two models into words."""

from collections.abc import Sequence

from temper.compare.model_comparison import Comparison, ModelComparison
from temper.compare.seed_groups import Configuration
from temper.compare.significance import LEVEL, Difference
from temper.metrics import UNBOUNDED

MEANING = (
    "A 95 % confidence interval covers the difference that other rows like these would show, in 95 "
    "of 100 such sets of rows. p is how often a difference as large would occur if the two models "
    "were equally good. Both are about these two trained models: another seed of the same "
    "configuration is another model, and may differ by more than the rows do (Dietterich 1998). To "
    "compare configurations, train each with several seeds."
)


def outcome(comparison: ModelComparison, greater_is_better: bool) -> str:
    """Return better, worse, open (not significant), same (no row differs) or untested."""
    if not comparison.differences:
        return "untested"
    main = comparison.differences[0]
    num_changed = comparison.num_better + comparison.num_worse
    if main.value == 0 and main.low == main.high and not num_changed:
        return "same"
    if main.adjusted > LEVEL:
        return "open"
    return "better" if (main.value > 0) == greater_is_better else "worse"


def verdict(comparison: ModelComparison, result: Comparison) -> str:
    """Say in one line whether a model is better than the first."""
    greater_is_better = result.greater_is_better.get(result.main, True)
    kind = outcome(comparison, greater_is_better)
    pair, rows = f"{comparison.name} vs {comparison.first}", f"{result.num_rows:,} {result.split}"
    if kind == "untested":
        return f"{pair}: no paired test is possible; see their scores and intervals"
    if kind == "same":
        return f"{pair}: the same score on each of {rows} rows"
    main, num_models = comparison.differences[0], len(result.comparisons)
    statistics = f"{main.metric} {format_difference(main)}, {format_p(main.adjusted)}"
    if kind == "open":
        unadjusted = f", unadjusted {format_p(main.p)}" if main.p <= LEVEL else ""
        detectable = format_number(main.margin, main.metric)
        return (
            f"{pair}: not significant on {rows} rows ({statistics}{unadjusted}; "
            f"detectable from about {detectable})"
        )
    holm = f", Holm over {num_models} models" if num_models > 1 else ""
    lower = "" if greater_is_better else "; lower is better"
    return f"{pair}: significantly {kind} on {rows} rows ({statistics}{holm}{lower})"


def changed_rows(comparison: ModelComparison, result: Comparison) -> str:
    """Say how many rows changed, and in which direction."""
    first, name = comparison.first, comparison.name
    num_better, num_worse = f"{comparison.num_better:,}", f"{comparison.num_worse:,}"
    same = f"{comparison.num_same:,} of {result.num_rows:,} predictions are the same"
    if comparison.mcnemar is None:
        return f"{num_better} rows are better with {name}, {num_worse} with {first}; {same}"
    return (
        f"from {first} to {name}, {num_better} rows become right and {num_worse} wrong; {same} "
        f"(McNemar {format_p(comparison.mcnemar.adjusted)})"
    )


def seed_verdicts(configurations: Sequence[Configuration], result: Comparison) -> list[str]:
    """Compare each configuration with the first one over their seeds, a line each."""
    main, greater_is_better = result.main, result.greater_is_better.get(result.main, True)
    first = configurations[0] if configurations else None
    lines = []
    if first is not None and result.names[0] in first.names:
        lines = [
            f"{name} and {first.names[0]} differ in the seed alone: their difference is training "
            "noise"
            for name in first.names[1:]
        ]
    for configuration in configurations:
        if first is None or configuration.welch is None:
            continue
        first_mean, mean = (
            sum(c.values[main]) / len(c.values[main]) for c in (first, configuration)
        )
        low, high, p = configuration.welch
        side = "better" if (mean > first_mean) == greater_is_better else "worse"
        kind = f"significantly {side}" if p <= LEVEL else "not significant"
        value, low, high = (
            format_number(number, main, sign=True) for number in (mean - first_mean, low, high)
        )
        lines.append(
            f"configuration {', '.join(configuration.names)} vs {', '.join(first.names)}: {kind} "
            f"over {len(configuration.names)} and {len(first.names)} seeds ({main} {value}, "
            f"95 % CI {low} to {high}, Welch {format_p(p)})"
        )
    return lines


def method(result: Comparison) -> str:
    """Say how the intervals and p-values were computed."""
    num_models = len(result.comparisons)
    holm = (
        f"; p-values of each score are Holm-adjusted for {num_models} models compared with "
        f"{result.names[0]}"
        if num_models > 1
        else ""
    )
    return (
        f"paired bootstrap over {result.num_rows:,} {result.split} rows, {result.samples:,} "
        f"samples, 95 % intervals{holm}; about these trained models, not their configurations"
    )


def format_difference(difference: Difference) -> str:
    """Format as `+0.021, 95 % CI +0.004 to +0.038`."""
    value, low, high = (
        format_number(number, difference.metric, sign=True)
        for number in (difference.value, difference.low, difference.high)
    )
    return f"{value}, 95 % CI {low} to {high}"


def format_number(value: float, metric: str, *, sign: bool = False) -> str:
    """Format a score: three decimals where it is between 0 and 1, else four digits."""
    plus = "+" if sign else ""
    return format(value, f"{plus}.4g" if metric in UNBOUNDED else f"{plus}.3f")


def format_p(p: float) -> str:
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def format_score(scores: dict[str, float], metric: str) -> str:
    """Format a score and its interval as `0.912 (0.880 to 0.940)`; '' where there is none."""
    if metric not in scores:
        return ""
    value, *bounds = (
        format_number(scores[key], metric)
        for key in (metric, f"{metric}_low", f"{metric}_high")
        if key in scores
    )
    return value if len(bounds) < 2 else f"{value} ({bounds[0]} to {bounds[1]})"
