"""Tables of a comparison, for the console and for Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from temper.compare import experiments, seed_groups, verdicts
from temper.compare.compared_models import ComparedModel
from temper.compare.model_comparison import ChangedRow, Comparison, ModelComparison
from temper.compare.verdicts import format_number, format_p

MAX_SCORES = 4  # in the table of configurations
MAX_LISTED = 10  # changed rows in Markdown, in each direction
MAX_CHARACTERS = 160  # of a text there
COSTS = {  # key → heading, divisor, decimals
    "train_time_s": ("training s", 1, 1),
    "samples_per_s": ("rows/s", 1, 1),
    "peak_memory_gib": ("peak GiB", 1, 2),
    "peak_gpu_memory_gib": ("peak GPU GiB", 1, 2),
    "model_latency_ms": ("ONNX ms/row", 1, 2),
    "model_int8_latency_ms": ("int8 ms/row", 1, 2),
    "model_size": ("model MiB", 2**20, 1),
    "onnx_size": ("ONNX MiB", 2**20, 1),
    "int8_size": ("int8 MiB", 2**20, 1),
}
ALWAYS = ("train_time_s", "peak_memory_gib", "model_latency_ms", "model_size")


@dataclass(frozen=True, kw_only=True)
class Table:
    title: str
    head: list[str]
    rows: list[list[str]]


def scores(result: Comparison) -> Table:
    rows = [
        [name, *(verdicts.format_score(values, metric) for metric in result.metric_names)]
        for name, values in zip(result.names, result.scores, strict=True)
    ]
    title = f"scores on {result.num_rows:,} {result.split} rows, 95 % intervals"
    lines = [["", *result.metric_names], *rows]
    if len(rows) <= len(result.metric_names):  # transposed, the table is narrower
        lines = [list(line) for line in zip(*lines, strict=True)]
    return Table(title=title, head=lines[0], rows=lines[1:])


def differences(result: Comparison) -> Table:
    """Return the differences of each model from the first, for every score that is tested."""
    is_adjusted = len(result.comparisons) > 1
    head = ["", "score", f"minus {result.names[0]}", "95 % interval", "p"]
    rows = [
        [
            comparison.name if not i else "",
            d.metric,
            format_number(d.value, d.metric, sign=True),
            " to ".join(format_number(v, d.metric, sign=True) for v in (d.low, d.high)),
            format_p(d.p),
            *([format_p(d.adjusted)] if is_adjusted else []),
        ]
        for comparison in result.comparisons
        for i, d in enumerate(comparison.differences)
    ]
    title = "differences on the same rows"
    return Table(title=title, head=[*head, *(["Holm"] if is_adjusted else [])], rows=rows)


def parameters(models: Sequence[ComparedModel]) -> Table:
    differing = seed_groups.differing(models)
    rows = [[key, *map(format_value, values)] for key, values in differing.items()]
    head = ["parameter", *(model.name for model in models)]
    return Table(title="parameters that differ", head=head, rows=rows)


def format_value(value: Any) -> str:
    """Format a parameter as in params.yaml."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(format_value, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def sizes(model: ComparedModel) -> dict[str, float]:
    """Return the sizes of the trained model's folder and of the exported graphs in bytes."""
    outs = [out for stage in model.lock.values() for out in stage.get("outs", [])]
    by_name = {
        "model_size": next((o.get("size") for o in outs if o["path"] == "data/model"), None),
        "onnx_size": model.size("data/export/onnx/model.onnx"),
        "int8_size": model.size("data/export/onnx/model_int8.onnx"),
    }
    return {name: size for name, size in by_name.items() if size}


def costs(names: Sequence[str], measured: Sequence[Mapping[str, float]]) -> Table:
    """Return the costs of each model; a dash where one is unknown.

    Args:
        names: of the models.
        measured: by the keys of `COSTS`; `share` is the fraction of the steps that were timed.
    """
    known = [key for key in COSTS if key in ALWAYS or any(key in cost for cost in measured)]
    rows = []
    for name, cost in zip(names, measured, strict=True):
        cells = [format_cost(cost.get(key), key) for key in known]
        if "train_time_s" in cost and cost.get("share", 1) < 0.99:
            cells[known.index("train_time_s")] += f" ({cost['share']:.0%} of the steps)"
        rows.append([name, *cells])
    return Table(title="costs", head=["", *(COSTS[key][0] for key in known)], rows=rows)


def format_cost(value: float | None, key: str) -> str:
    _, divisor, decimals = COSTS[key]
    return "–" if value is None else f"{value / divisor:,.{decimals}f}"


def seeds(configurations: Sequence[seed_groups.Configuration], result: Comparison) -> Table:
    """Return mean ± standard deviation of each configuration over its seeds."""
    names = [n for n in result.metric_names if any(n in c.values for c in configurations)]
    names = names[:MAX_SCORES]
    rows = []
    for configuration in configurations:
        values, trainings = configuration.values, configuration.names
        means = [experiments.format_mean(values[n]) if n in values else "" for n in names]
        rows.append([", ".join(trainings), str(len(trainings)), *means])
    head = ["trainings", "seeds", *names]
    return Table(title="configurations, mean ± standard deviation over seeds", head=head, rows=rows)


def changed_rows(comparison: ModelComparison, rows: Sequence[ChangedRow], heading: str) -> Table:
    """Return the first `MAX_LISTED` changed rows, with truncated texts."""
    inputs = list(rows[0].inputs) if rows else []
    cells = [
        [str(row.row), *(truncate(row.inputs[name]) for name in inputs),
         *map(truncate, (row.reference, *row.predictions))]
        for row in rows[:MAX_LISTED]
    ]  # fmt: skip
    return Table(
        title=heading, head=["row", *inputs, "true", comparison.first, comparison.name], rows=cells
    )


def truncate(text: str) -> str:
    if text.startswith("data:image"):
        return "(image)"
    flat = " ".join(text.split())
    return flat if len(flat) <= MAX_CHARACTERS else flat[: MAX_CHARACTERS - 1] + "…"


def headings(comparison: ModelComparison) -> tuple[str, str]:
    """Return the headings of the two lists of changed rows."""
    first, name = comparison.first, comparison.name
    if comparison.mcnemar is None:
        return f"better with {name}", f"better with {first}"
    return f"wrong with {first}, right with {name}", f"right with {first}, wrong with {name}"


def as_markdown(
    result: Comparison, tables: Sequence[Table], title: str, notes: Sequence[str]
) -> str:
    """Render the whole comparison as Markdown.

    Args:
        result: its verdicts come first, its changed rows last.
        tables: between them.
        title: of the document.
        notes: what is missing or could not be tested.
    """
    parts = [f"# {title}: comparison", ""]
    for comparison in result.comparisons:
        parts.append(f"- **{verdicts.verdict(comparison, result)}**")
        parts.append(f"  {verdicts.changed_rows(comparison, result)}")
    parts += ["", *(f"- {note}" for note in notes)] if notes else []
    for table in filter(lambda table: table.rows, tables):
        parts += ["", f"## {table.title[0].upper()}{table.title[1:]}", "", *markdown_lines(table)]
    for comparison in result.comparisons:
        lists = zip(headings(comparison), (comparison.better, comparison.worse), strict=True)
        counts = (comparison.num_better, comparison.num_worse)
        for (heading, rows), count in zip(lists, counts, strict=True):
            if rows:
                more = f", {MAX_LISTED} of them" if count > MAX_LISTED else ""
                table = changed_rows(comparison, rows, f"{count:,} rows {heading}{more}")
                parts += ["", f"## {table.title}", "", *markdown_lines(table)]
    parts += ["", verdicts.method(result) + ". " + verdicts.MEANING, ""]
    return "\n".join(parts)


def markdown_lines(table: Table) -> list[str]:
    rows = [table.head, ["---"] * len(table.head), *table.rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
