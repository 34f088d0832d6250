"""Experiments, git revisions or MLflow runs → is one really better? On the same test rows.

`temper compare exp-a exp-b`; `temper compare HEAD workspace --markdown comparison.md`
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

NAME_WIDTH = 24  # columns of the console that a name has before it is broken
Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="A B …",
        help="Experiments, git revisions, MLflow run ids, or `workspace` for what lies here; the "
        "others are compared with the first.",
    ),
]


def compare(
    names: Names = None,
    split: Annotated[
        Literal["test", "validation"] | None,
        typer.Option(help="Default: test, or validation where one has no test labels."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="The score the verdict is about; default: the main one.")
    ] = None,
    samples: Annotated[int, typer.Option(min=100, help="Bootstrap samples.")] = 10_000,
    markdown: Annotated[Path | None, typer.Option(help="Also write it as Markdown.")] = None,
    html: Annotated[Path, typer.Option(help="The page to write.")] = Path("comparison.html"),
) -> None:
    """Tell whether one model is really better than another, and which rows changed."""
    from rich.console import Console

    from temper.compare import (
        compared_models,
        console_tables,
        model_comparison,
        page,
        seed_groups,
        verdicts,
    )

    found = compared_models.resolve(names or [])
    result = model_comparison.compare(found, split, metric, samples)
    costs, reason = measured(found, result)
    groups = seed_groups.group(found, result.scores, result.shown)
    plain = [console_tables.seeds(groups, result)] if groups else []
    plain += [console_tables.parameters(found), console_tables.costs(result.names, costs)]
    tables = [console_tables.scores(result), console_tables.differences(result), *plain]
    seeds = verdicts.of_seeds(groups, result)
    notes = [*seeds, *result.notes, *([reason] if reason else [])]
    title = found[0].one.parameters.export.name
    html.write_text(page.page(found, result, plain, notes, title), encoding="utf-8")
    if markdown is not None:
        text = console_tables.as_markdown(result, tables, title, notes)
        markdown.write_text(text, encoding="utf-8")
    console = Console(highlight=False)
    for one in result.against:
        console.print(f"[bold]{verdicts.verdict(one, result)}[/]", soft_wrap=True)
        console.print(verdicts.changed(one, result), soft_wrap=True)
    for line in seeds:
        console.print(f"[bold]{line}[/]", soft_wrap=True)
    for table in tables:
        console.print(as_rich(table) if table.rows else f"{table.title}: none")
    for note in (verdicts.family(result), *notes[len(seeds) :]):
        console.print(note, soft_wrap=True)
    if markdown is not None:
        console.print(f"markdown   {markdown}")
    console.print(f"page       {html}")


def measured(found: list[Any], result: Any) -> tuple[list[dict[str, float]], str]:
    """Return what each training cost by MLflow, its sizes by DVC, and why something is missing."""
    from temper.compare import console_tables, mlflow_runs, page

    prefix = {"test": "test/", "validation": "validation/best_"}[result.split]
    wanted = []
    for model, scores in zip(found, result.scores, strict=True):
        charted = {prefix + n: scores[n] for n in result.shown if n in scores}
        wanted.append((model.run, model.one.leaves, charted, model.name))
    costs, reason = mlflow_runs.costs(wanted)
    for model, one in zip(found, costs, strict=True):
        one |= console_tables.sizes(model)
        steps = page.last_step(model)
        if steps and "steps" in one:
            one["share"] = one["steps"] / steps
    return costs, reason


def as_rich(table: Any) -> Any:
    """Return a table for the console."""
    from rich.table import Table

    found = Table(title=table.title, title_justify="left")
    longest = max((len(str(row[0])) for row in table.rows), default=0)
    for index, name in enumerate(table.head):  # names are not broken before numbers are
        found.add_column(name, overflow="fold", min_width=0 if index else min(longest, NAME_WIDTH))
    for row in table.rows:
        found.add_row(*row)
    return found
