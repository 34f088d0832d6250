"""Put the tests of two models into words."""

from temper.compare.model_comparison import Comparison, ModelComparison
from temper.compare.significance import LEVEL, Difference
from temper.evaluation.text_tables import format_number

MEANING = (
    "A 95 % confidence interval covers the difference that other rows like these would show, in 95 "
    "of 100 such sets of rows. p is how often a difference as large would occur if the two models "
    "were equally good. Both are about these two trained models: another seed of the same "
    "configuration is another model, and may differ by more than the rows do (Dietterich 1998). To "
    "compare configurations, train each with several seeds."
)


def outcome(comparison: ModelComparison, result: Comparison) -> str:
    """Return better, worse, open (not significant), same (no row differs) or untested."""
    if not comparison.differences:
        return "untested"
    main = comparison.differences[0]
    if main.low == main.high == 0 and not any(rows.count for rows in comparison.changed):
        return "same"
    return side(main, result)


def side(difference: Difference, result: Comparison) -> str:
    """Return better, worse or open (not significant)."""
    if difference.adjusted > LEVEL:
        return "open"
    is_better = (difference.value > 0) == result.greater_is_better[difference.metric]
    return "better" if is_better else "worse"


def verdict(comparison: ModelComparison, result: Comparison) -> str:
    """Say in one line whether a model is better than the first."""
    kind = outcome(comparison, result)
    pair = f"{comparison.name} vs {comparison.first}"
    if kind == "untested":
        return f"{pair}: no paired test is possible; see their scores and intervals"
    if kind == "same":
        return f"{pair}: the same score on each of {result.rows}"
    main, num_models = comparison.differences[0], len(result.comparisons)
    statistics = f"{main.metric} {format_difference(main)}, {format_p(main.adjusted)}"
    if kind == "open":
        unadjusted = f", unadjusted {format_p(main.p)}" if main.p <= LEVEL else ""
        detectable = format_number(main.margin, main.metric)
        return (
            f"{pair}: not significant on {result.rows} ({statistics}{unadjusted}; "
            f"detectable from about {detectable})"
        )
    holm = f", Holm over {num_models} models" if num_models > 1 else ""
    lower = "" if result.greater_is_better[main.metric] else "; lower is better"
    return f"{pair}: significantly {kind} on {result.rows} ({statistics}{holm}{lower})"


def changed_rows(comparison: ModelComparison, result: Comparison) -> str:
    """Say how many rows changed, and in which direction."""
    first, name = comparison.first, comparison.name
    num_better, num_worse = (f"{rows.count:,}" for rows in comparison.changed)
    rows = "row becomes" if num_better == "1" else "rows become"
    same = f"{comparison.num_same:,} of {len(result.models[0].rows):,} predictions are the same"
    if comparison.mcnemar is None:
        return f"{num_better} rows are better with {name}, {num_worse} with {first}; {same}"
    return (
        f"from {first} to {name}, {num_better} {rows} right and {num_worse} wrong; {same} "
        f"(McNemar {format_p(comparison.mcnemar.adjusted)})"
    )


def method(result: Comparison) -> str:
    """Say how the intervals and p-values were computed."""
    num_models = len(result.comparisons)
    holm = (
        f"; p-values of each score are Holm-adjusted for {num_models} models compared with "
        f"{result.models[0].name}"
        if num_models > 1
        else ""
    )
    return (
        f"paired bootstrap over {result.rows}, {result.samples:,} "
        f"samples, 95 % intervals{holm}; about these trained models, not their configurations"
    )


def format_difference(difference: Difference) -> str:
    """Format as `+0.021, 95 % CI +0.004 to +0.038`."""
    value, low, high = (
        format_number(number, difference.metric, sign=True)
        for number in (difference.value, difference.low, difference.high)
    )
    return f"{value}, 95 % CI {low} to {high}"


def format_p(p: float) -> str:
    shown = p_value(p)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def p_value(p: float) -> str:
    """Format a p-value for a column."""
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"
