"""What models cost beside what they score: size.json of their exports, and times of `latency`."""

import io
import itertools
from collections.abc import Callable, Mapping

from temper.compare.experiments import Experiment
from temper.compare.latency import Measured
from temper.compare.model_comparison import Comparison
from temper.core import csv_file
from temper.core.errors import InputError
from temper.evaluation.text_tables import Table, format_number

SIZE = "data/export/size.json"
MAX_COLUMNS = 4  # models beside one another in a terminal

Facts = Mapping[str, float]  # what a model costs, by the name of a CSV file's column


def millions(number: float) -> str:
    """Format 22713216 as `22.7` and 1234567890 as `1,235`."""
    return f"{number / 1e6:,.0f}" if number >= 1e8 else f"{number / 1e6:.3g}"


def mebibytes(number: float) -> str:
    return f"{number / 2**20:,.1f}"


HEADS: dict[str, tuple[str, Callable[[float], str]]] = {  # key of facts → heading and format
    "parameters": ("parameters, M", millions),
    "macs": ("MACs, M", millions),
    "weights_bytes": ("weights, MiB", mebibytes),
    "int8_bytes": ("int8, MiB", mebibytes),
    "torch_ms": ("torch, ms", "{:.2f}".format),
    "onnx_ms": ("ONNX, ms", "{:.2f}".format),
    "int8_ms": ("int8, ms", "{:.2f}".format),
}


def read_sizes(experiment: Experiment) -> Facts:
    """Return what an export's size.json says.

    Raises:
        InputError: DVC does not have it.
    """
    sizes = experiment.read_json(SIZE)
    by_file = sizes["bytes"]
    weights = [number for file, number in by_file.items() if file.endswith(".safetensors")]
    graphs = {"onnx_bytes": "onnx/model.onnx", "int8_bytes": "onnx/model_int8.onnx"}
    return {
        "parameters": sizes["parameters"],
        **({} if sizes["macs"] is None else {"macs": sizes["macs"]}),
        "weights_bytes": sum(weights),
        **{key: by_file[file] for key, file in graphs.items() if file in by_file},
    }


def collect(result: Comparison, measured: Measured | None) -> tuple[dict[str, Facts], list[str]]:
    """Return what each model costs, and notes on those without a size."""
    facts, notes = {}, []
    if measured is not None:
        notes = [*([measured.how] if measured.milliseconds else []), *measured.notes]
    for model in result.models:
        found: dict[str, float] = {}
        try:
            found |= read_sizes(model.experiment)
        except InputError:
            notes.append(
                f"{model.name}: its size is unknown, as DVC has no {SIZE} of it: it was not "
                "exported, or by an earlier version"
            )
        if measured is not None:
            times = measured.milliseconds.get(model.name, {})
            found |= {f"{engine}_ms": value for engine, value in times.items()}
        facts[model.name] = found
    return facts, notes


def tables(
    result: Comparison, facts: Mapping[str, Facts], measured: Measured | None
) -> list[Table]:
    """Return the main score beside what models cost; many models in two tables, for their width."""
    kinds = (False, True) if measured else (False,)
    groups = [[key for key in HEADS if key.endswith("_ms") == timed] for timed in kinds]
    titles = ["size", "time of one row"][: len(kinds)]
    if is_transposed := len(result.models) <= MAX_COLUMNS:
        groups, titles = [[*itertools.chain(*groups)]], [" and ".join(titles)]
    found = []
    for title, keys in zip(titles, groups, strict=True):
        keys = [key for key in keys if any(key in costs for costs in facts.values())]
        lines = [["", result.main, *(HEADS[key][0] for key in keys)]]
        for model in result.models:
            score, costs = model.scores.get(result.main), facts[model.name]
            cells = [HEADS[key][1](costs[key]) if key in costs else "" for key in keys]
            shown = "" if score is None else format_number(score, result.main)
            lines.append([model.name, shown, *cells])
        if is_transposed:
            lines = [list(line) for line in zip(*lines, strict=True)]
        found.append(Table(title, lines[0], lines[1:] if keys else []))
    return found


def as_csv(result: Comparison, facts: Mapping[str, Facts]) -> str:
    """Return a table with a row per model: its scores with their intervals, and what it costs."""
    names = [
        name
        for metric in result.greater_is_better
        for name in (metric, f"{metric}_low", f"{metric}_high")
        if any(name in model.scores for model in result.models)
    ]
    keys = list(dict.fromkeys(key for costs in facts.values() for key in costs))
    target = io.StringIO(newline="")
    writer = csv_file.writer(target)
    writer.writerow(["model", "split", "rows", *names, *keys])
    for model in result.models:
        values = {**model.scores, **facts[model.name]}
        cells = (values.get(name, "") for name in (*names, *keys))
        writer.writerow([model.name, model.split, len(model.rows), *cells])
    return target.getvalue()
