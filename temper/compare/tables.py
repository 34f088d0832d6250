"""Tables of a comparison, for the console and for Markdown."""

from collections.abc import Sequence

from temper.compare import verdicts
from temper.compare.experiments import Experiment, format_values
from temper.compare.model_comparison import Comparison
from temper.compare.seed_groups import Verdict
from temper.compare.verdicts import p_value
from temper.evaluation.text_tables import Table, format_number, format_score, truncate

MAX_LISTED = 10  # changed rows in Markdown, in each direction
MAX_CHARACTERS = 160  # of a text there


def scores(result: Comparison) -> Table:
    names = list(result.greater_is_better)
    rows = [
        [model.name, *(format_score(model.scores, name) for name in names)]
        for model in result.models
    ]
    lines = [["", *names], *rows]
    if len(rows) <= len(names):  # transposed, the table is narrower
        lines = [list(line) for line in zip(*lines, strict=True)]
    title = f"scores on {result.rows}, 95 % intervals"
    return Table(title, lines[0], lines[1:])


def differences(result: Comparison) -> Table:
    """Return the differences of each model from the first, for every score that is tested."""
    is_adjusted = len(result.comparisons) > 1
    head = ["", "score", f"minus {result.models[0].name}", "95 % interval", "p"]
    rows = [
        [
            comparison.name if not i else "",
            d.metric,
            format_number(d.value, d.metric, sign=True),
            " to ".join(format_number(v, d.metric, sign=True) for v in (d.low, d.high)),
            p_value(d.p),
            *([p_value(d.adjusted)] if is_adjusted else []),
        ]
        for comparison in result.comparisons
        for i, d in enumerate(comparison.differences)
    ]
    head += ["Holm"] if is_adjusted else []
    return Table("differences on the same rows", head, rows)


def parameters(experiments: Sequence[Experiment]) -> Table:
    """Return the parameters whose values differ, with the value of each model."""
    keys = dict.fromkeys(key for experiment in experiments for key in experiment.leaves)
    values = {key: [experiment.leaves.get(key) for experiment in experiments] for key in keys}
    rows = [
        [key, *format_values(row)]
        for key, row in values.items()
        if any(value != row[0] for value in row)
    ]
    return Table("parameters that differ", ["parameter", *(e.name for e in experiments)], rows)


def cell(text: str) -> str:
    """Return a text in one line of Markdown, an image or a clip by its type."""
    if text.startswith(("data:image", "data:audio")):
        return f"({text[5:10]})"
    return truncate(" ".join(text.split()), MAX_CHARACTERS)


def as_markdown(
    result: Comparison,
    tables: Sequence[Table],
    title: str,
    notes: Sequence[str],
    over_seeds: Sequence[Verdict] = (),
) -> str:
    """Render the whole comparison as Markdown.

    Args:
        result: its verdicts come first, its changed rows last.
        notes: what is missing or could not be tested.
        over_seeds: verdicts about configurations, which come before those about models.
    """
    parts = [f"# {title}: comparison"]
    parts += ["\n".join(f"- **{verdict.text}**" for verdict in over_seeds)] if over_seeds else []
    parts.append(
        "\n".join(
            f"- **{verdicts.verdict(comparison, result)}**\n"
            f"  {verdicts.changed_rows(comparison, result)}"
            for comparison in result.comparisons
        )
    )
    parts += ["\n".join(f"- {note}" for note in notes)] if notes else []
    parts += [table.to_markdown() for table in tables if table.rows]
    for changed in [rows for comparison in result.comparisons for rows in comparison.changed]:
        listed = [list(map(cell, row)) for row in changed.table.rows[:MAX_LISTED]]
        more = f", {MAX_LISTED} of them" if changed.count > MAX_LISTED else ""
        table = Table(f"{changed.table.title}{more}", changed.table.head, listed)
        parts += [table.to_markdown()] if listed else []
    parts.append(f"{verdicts.method(result)}. {verdicts.MEANING}\n")
    return "\n\n".join(parts)
