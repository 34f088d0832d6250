"""A comparison → tables of text, for the console and for Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from temper.compare import experiments, seed_groups, verdicts
from temper.compare.compared_models import ComparedModel
from temper.compare.model_comparison import Changed, Comparison, ModelComparison
from temper.compare.verdicts import number, p_text

MOST_SCORES = 4  # in the table of configurations
MOST_LISTED = 10  # changed rows in Markdown, of each kind
MOST_CHARACTERS = 160  # of a text there
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


def scores(compared: Comparison) -> Table:
    rows = [
        [name, *(verdicts.score_text(one, metric) for metric in compared.shown)]
        for name, one in zip(compared.names, compared.scores, strict=True)
    ]
    title = f"scores on {compared.num_rows:,} {compared.split} rows, 95 % intervals"
    lines = [["", *compared.shown], *rows]
    if len(rows) <= len(compared.shown):  # the narrower way round
        lines = [list(line) for line in zip(*lines, strict=True)]
    return Table(title=title, head=lines[0], rows=lines[1:])


def differences(compared: Comparison) -> Table:
    """Return each model's scores minus the first one's, for every score that is tested."""
    several = len(compared.against) > 1
    head = ["", "score", f"minus {compared.names[0]}", "95 % interval", "p"]
    rows = [
        [
            one.name if not i else "",
            d.metric,
            number(d.value, d.metric, sign=True),
            " to ".join(number(v, d.metric, sign=True) for v in (d.low, d.high)),
            p_text(d.p),
            *([p_text(d.adjusted)] if several else []),
        ]
        for one in compared.against
        for i, d in enumerate(one.differences)
    ]
    title = "differences on the same rows"
    return Table(title=title, head=[*head, *(["by Holm"] if several else [])], rows=rows)


def parameters(compared_models: Sequence[ComparedModel]) -> Table:
    found = seed_groups.differing(compared_models)
    rows = [[key, *map(value_text, values)] for key, values in found.items()]
    head = ["parameter", *(model.name for model in compared_models)]
    return Table(title="parameters that differ", head=head, rows=rows)


def value_text(value: Any) -> str:
    """Return a parameter as params.yaml would have it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(value_text, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def sizes(model: ComparedModel) -> dict[str, float]:
    """Return the bytes of the trained model's folder and of the exported graphs."""
    outs = [out for stage in model.lock.values() for out in stage.get("outs", [])]
    found = {
        "model_size": next((o.get("size") for o in outs if o["path"] == "data/model"), None),
        "onnx_size": model.size("data/export/onnx/model.onnx"),
        "int8_size": model.size("data/export/onnx/model_int8.onnx"),
    }
    return {name: size for name, size in found.items() if size}


def costs(names: Sequence[str], found: Sequence[Mapping[str, float]]) -> Table:
    """Return what each model cost; a dash where it is not known.

    Args:
        names: of the models.
        found: by the keys of `COSTS`; `share` is the part of the steps that the seconds are of.
    """
    known = [key for key in COSTS if key in ALWAYS or any(key in one for one in found)]
    rows = []
    for name, one in zip(names, found, strict=True):
        cells = [cost_text(one.get(key), key) for key in known]
        if "train_time_s" in one and one.get("share", 1) < 0.99:
            cells[known.index("train_time_s")] += f" ({one['share']:.0%} of the steps)"
        rows.append([name, *cells])
    return Table(title="costs", head=["", *(COSTS[key][0] for key in known)], rows=rows)


def cost_text(value: float | None, key: str) -> str:
    _, divisor, decimals = COSTS[key]
    return "–" if value is None else f"{value / divisor:,.{decimals}f}"


def seeds(found: Sequence[seed_groups.Configuration], compared: Comparison) -> Table:
    """Return mean ± deviation of each configuration over its seeds."""
    names = [name for name in compared.shown if any(name in one.values for one in found)]
    names = names[:MOST_SCORES]
    rows = []
    for one in found:
        means = [experiments.format_mean(one.values[n]) if n in one.values else "" for n in names]
        rows.append([", ".join(one.names), str(len(one.names)), *means])
    head = ["trainings", "seeds", *names]
    return Table(title="configurations, mean ± deviation over seeds", head=head, rows=rows)


def changed(one: ModelComparison, rows: Sequence[Changed], heading: str) -> Table:
    """Return some of the rows that changed, their texts cut short."""
    inputs = list(rows[0].inputs) if rows else []
    cells = [
        [str(row.row), *(short(row.inputs[name]) for name in inputs),
         *map(short, (row.reference, *row.predictions))]
        for row in rows[:MOST_LISTED]
    ]  # fmt: skip
    return Table(title=heading, head=["row", *inputs, "true", one.first, one.name], rows=cells)


def short(text: str) -> str:
    if text.startswith("data:image"):
        return "(image)"
    flat = " ".join(text.split())
    return flat if len(flat) <= MOST_CHARACTERS else flat[: MOST_CHARACTERS - 1] + "…"


def headings(one: ModelComparison) -> tuple[str, str]:
    """Return what the two lists of changed rows hold."""
    if one.mcnemar is None:
        return f"better with {one.name}", f"better with {one.first}"
    return (
        f"wrong with {one.first}, right with {one.name}",
        f"right with {one.first}, wrong with {one.name}",
    )


def as_markdown(
    compared: Comparison, tables: Sequence[Table], title: str, notes: Sequence[str]
) -> str:
    """Return the whole comparison as Markdown.

    Args:
        compared: its verdicts come first, its changed rows last.
        tables: what stands between.
        title: of the document.
        notes: what could not be found or tested.
    """
    parts = [f"# {title}: comparison", ""]
    for one in compared.against:
        parts.append(f"- **{verdicts.verdict(one, compared)}**")
        parts.append(f"  {verdicts.changed(one, compared)}")
    parts += ["", *(f"- {note}" for note in notes)] if notes else []
    for table in filter(lambda table: table.rows, tables):
        parts += ["", f"## {table.title[0].upper()}{table.title[1:]}", "", *lines_of(table)]
    for one in compared.against:
        lists = zip(headings(one), (one.better, one.worse), strict=True)
        counts = (one.num_better, one.num_worse)
        for (heading, rows), count in zip(lists, counts, strict=True):
            if rows:
                more = f", {MOST_LISTED} of them" if count > MOST_LISTED else ""
                table = changed(one, rows, f"{count:,} rows {heading}{more}")
                parts += ["", f"## {table.title}", "", *lines_of(table)]
    parts += ["", verdicts.family(compared) + ". " + verdicts.MEANING, ""]
    return "\n".join(parts)


def lines_of(table: Table) -> list[str]:
    rows = [table.head, ["---"] * len(table.head), *table.rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
