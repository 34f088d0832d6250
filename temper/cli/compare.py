"""Test whether a model is better than another on the same test rows.

`temper compare exp-a exp-b`; `temper compare HEAD workspace --markdown comparison.md`
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from temper.compare import (
    compared_models,
    console_tables,
    mlflow_runs,
    model_comparison,
    page,
    seed_groups,
    verdicts,
)
from temper.compare.compared_models import ComparedModel
from temper.compare.model_comparison import Comparison

NAME_WIDTH = 24  # columns of the console that a name has before it is wrapped
Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="A B …",
        help="Experiments, git revisions, MLflow run ids, or `workspace` for this folder; the "
        "others are compared with the first.",
    ),
]


def compare(
    names: Names = None,
    split: Annotated[
        Literal["test", "validation"] | None,
        typer.Option(help="Default: test, or validation where a model has no test labels."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="Metric of the verdict; default: the task's main one."),
    ] = None,
    samples: Annotated[int, typer.Option(min=100, help="Bootstrap samples.")] = 10_000,
    markdown: Annotated[Path | None, typer.Option(help="Also write it as Markdown.")] = None,
    html: Annotated[Path, typer.Option(help="The page to write.")] = Path("comparison.html"),
) -> None:
    """Test whether one model is better than another on the same rows."""
    models = compared_models.resolve(names or [])
    result = model_comparison.compare(models, split, metric, samples)
    costs, reason = read_costs(models, result)
    groups = seed_groups.group(models, result.scores, result.metric_names)
    plain = [console_tables.seeds(groups, result)] if groups else []
    plain += [console_tables.parameters(models), console_tables.costs(result.names, costs)]
    tables = [console_tables.scores(result), console_tables.differences(result), *plain]
    seed_lines = verdicts.seed_verdicts(groups, result)
    notes = [*seed_lines, *result.notes, *([reason] if reason else [])]
    title = models[0].experiment.parameters.export.name
    html.write_text(page.page(models, result, plain, notes, title), encoding="utf-8")
    if markdown is not None:
        text = console_tables.as_markdown(result, tables, title, notes)
        markdown.write_text(text, encoding="utf-8")
    console = Console(highlight=False)
    for comparison in result.comparisons:
        console.print(f"[bold]{escape(verdicts.verdict(comparison, result))}[/]", soft_wrap=True)
        console.print(verdicts.changed_rows(comparison, result), soft_wrap=True, markup=False)
    for line in seed_lines:
        console.print(f"[bold]{escape(line)}[/]", soft_wrap=True)
    for table in tables:
        console.print(to_rich(table) if table.rows else f"{table.title}: none")
    for note in (verdicts.method(result), *notes[len(seed_lines) :]):
        console.print(note, soft_wrap=True, markup=False)
    if markdown is not None:
        console.print(f"markdown   {markdown}")
    console.print(f"page       {html}")


def read_costs(
    models: Sequence[ComparedModel], result: Comparison
) -> tuple[list[dict[str, float]], str]:
    """Return each model's costs (MLflow) and sizes (DVC), and the reason if some are missing."""
    prefix = {"test": "test/", "validation": "validation/best_"}[result.split]
    queries = []
    for model, scores in zip(models, result.scores, strict=True):
        logged = {prefix + n: scores[n] for n in result.metric_names if n in scores}
        queries.append((model.run, model.experiment.leaves, logged, model.name))
    costs, reason = mlflow_runs.costs(queries)
    for model, cost in zip(models, costs, strict=True):
        cost |= console_tables.sizes(model)
        steps = page.last_step(model)
        if steps and "steps" in cost:
            cost["share"] = cost["steps"] / steps
    return costs, reason


def to_rich(table: console_tables.Table) -> Table:
    """Convert a table for the console."""
    rich_table = Table(title=escape(table.title), title_justify="left")
    longest = max((len(str(row[0])) for row in table.rows), default=0)
    for index, name in enumerate(table.head):  # names are wrapped last
        rich_table.add_column(
            escape(name), overflow="fold", min_width=0 if index else min(longest, NAME_WIDTH)
        )
    for row in table.rows:
        rich_table.add_row(*map(escape, row))
    return rich_table
