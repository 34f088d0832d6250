"""Tests of two models → what they say in plain words."""

from collections.abc import Sequence

from temper.compare.model_comparison import Comparison, ModelComparison
from temper.compare.seed_groups import Configuration
from temper.compare.significance import LEVEL, Difference
from temper.metrics import UNBOUNDED

MEANING = (
    "An interval holds the difference that other rows like these would show, in 95 of 100 such "
    "sets of rows. p is how often a difference as large would come up if the two models were "
    "equally good. Both are about these two trained models: another seed of the same configuration "
    "is another model, and may differ by more than the rows do (Dietterich 1998). To compare "
    "configurations, train each with several seeds."
)


def outcome(one: ModelComparison, greater: bool) -> str:
    """Return better, worse, open (nothing shows), same (no row differs) or untested."""
    if not one.differences:
        return "untested"
    main = one.differences[0]
    if main.value == 0 and main.low == main.high and not one.num_better + one.num_worse:
        return "same"
    if main.adjusted > LEVEL:
        return "open"
    return "better" if (main.value > 0) == greater else "worse"


def verdict(one: ModelComparison, compared: Comparison) -> str:
    """Return one sentence: is it better than the first?"""
    greater = compared.greater_is_better.get(compared.main, True)
    found, rows = outcome(one, greater), f"{compared.num_rows:,} {compared.split} rows"
    pair = f"{one.name} and {one.first}"
    if found == "untested":
        return f"no paired test of {pair} is possible: see their scores and intervals"
    if found == "same":
        return f"{pair} score alike in each of {rows}"
    main, several = one.differences[0], len(compared.against)
    numbers = f"{main.metric} {signed(main)}, {p_text(main.adjusted)}"
    lower = "" if greater else " (lower is better)"
    if found == "open":
        reach = number(main.margin, main.metric)
        alone = f"; alone {p_text(main.p)}" if main.p <= LEVEL else ""
        return (
            f"no difference between {pair} that {rows} can show: {numbers}{alone}; "
            f"less than about {reach} does not show"
        )
    holm = f" (Holm, {several} models)" if several > 1 else ""
    return f"{one.name} is {found} than {one.first}: {numbers}{holm}{lower}"


def changed(one: ModelComparison, compared: Comparison) -> str:
    """Return how many rows changed, and which way."""
    first, other = one.first, one.name
    if one.mcnemar is None:
        return (
            f"{one.num_better:,} rows are better with {other}, {one.num_worse:,} with {first}; "
            f"{one.num_same:,} of {compared.num_rows:,} have the same prediction"
        )
    return (
        f"{one.num_better:,} rows wrong with {first} are right with {other}, {one.num_worse:,} the "
        f"other way round; {one.num_same:,} of {compared.num_rows:,} have the same prediction "
        f"(McNemar {p_text(one.mcnemar.adjusted)})"
    )


def of_seeds(found: Sequence[Configuration], compared: Comparison) -> list[str]:
    """Return a sentence for each configuration whose seeds can be set against the first one's."""
    main, greater = compared.main, compared.greater_is_better.get(compared.main, True)
    lines = [
        f"{name} is another seed of {found[0].names[0]}'s configuration: what sets them apart is "
        "chance in the training"
        for name in (found[0].names[1:] if found and compared.names[0] in found[0].names else ())
    ]
    for one in found:
        if one.apart is None:
            continue
        first, other = (sum(c.values[main]) / len(c.values[main]) for c in (found[0], one))
        low, high, p = one.apart
        pair = "the configuration of {}".format(", ".join(one.names))
        side = "better" if (other > first) == greater else "worse"
        what = f"is {side} than" if p <= LEVEL else "shows no difference from"
        numbers = [number(value, main, sign=True) for value in (other - first, low, high)]
        lines.append(
            f"over seeds, {pair} {what} that of {', '.join(found[0].names)}: {main} "
            "{} ({} to {}), ".format(*numbers)
            + f"{p_text(p)} (Welch, {len(one.names)} and "
            f"{len(found[0].names)} trainings)"
        )
    return lines


def family(compared: Comparison) -> str:
    """Return how the numbers were found."""
    several = len(compared.against)
    holm = (
        f"; p-values of each score adjusted for {several} models compared with "
        f"{compared.names[0]} (Holm)"
        if several > 1
        else ""
    )
    return (
        f"paired bootstrap of {compared.num_rows:,} {compared.split} rows, {compared.samples:,} "
        f"samples, 95 % intervals{holm}; of these trained models, not of their configurations"
    )


def signed(one: Difference) -> str:
    """Return `+0.021 (+0.004 to +0.038)`."""
    parts = (number(value, one.metric, sign=True) for value in (one.value, one.low, one.high))
    return "{} ({} to {})".format(*parts)


def number(value: float, metric: str, *, sign: bool = False) -> str:
    """Return a score as people read it: three decimals where it lies between 0 and 1."""
    plus = "+" if sign else ""
    return format(value, f"{plus}.4g" if metric in UNBOUNDED else f"{plus}.3f")


def p_text(p: float) -> str:
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def score_text(scores: dict[str, float], metric: str) -> str:
    """Return `0.912 (0.880 to 0.940)`, an empty text where there is no such score."""
    if metric not in scores:
        return ""
    texts: Sequence[str] = [
        number(scores[key], metric)
        for key in (metric, f"{metric}_low", f"{metric}_high")
        if key in scores
    ]
    return texts[0] if len(texts) < 3 else "{} ({} to {})".format(*texts)
