"""Test whether a model is better than another on the same test rows.

`temper compare exp-a exp-b`; `temper compare HEAD workspace --markdown comparison.md`;
`temper compare teacher student --latency`
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from temper.compare import (
    compared_models,
    costs,
    model_comparison,
    page,
    seed_groups,
    seed_table,
    tables,
    verdicts,
)
from temper.compare.experiments import other_inputs
from temper.compare.latency import measure
from temper.compare.model_comparison import Comparison
from temper.compare.seed_groups import Verdict
from temper.core import artifacts
from temper.core.errors import InputError
from temper.evaluation.text_tables import Table

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
        str | None, typer.Option(help="Metric of the verdict; default: the task's main one.")
    ] = None,
    samples: Annotated[int, typer.Option(min=100, help="Bootstrap samples.")] = 10_000,
    latency: Annotated[
        bool,
        typer.Option(
            "--latency", help="Also measure how long a prediction takes, on this machine."
        ),
    ] = False,
    num_threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of --latency.  [default: 1]")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Also write it as Markdown.")] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Also write scores and costs as CSV, a row per model.")
    ] = None,
    table: Annotated[
        list[Path] | None,
        typer.Option(
            help="Also write mean ± standard deviation over seeds and p-values, a table for a "
            "paper: FILE.tex, FILE.md or FILE.csv; may be repeated."
        ),
    ] = None,
    html: Annotated[Path, typer.Option(help="The page to write.")] = Path("comparison.html"),
) -> None:
    """Test whether one model is better than another on the same rows."""
    if num_threads is not None and not latency:
        raise InputError("--num-threads is for --latency, which is not given")
    files = [("markdown", markdown), ("csv", csv), *(("table", file) for file in table or ())]
    check_files([*files, ("html", html)])
    seed_table.check(table or [])
    experiments = compared_models.resolve(names or [])
    seed_table.check_seeds(table or [], experiments)
    result = model_comparison.compare(experiments, split, metric, samples)
    groups = seed_groups.group(result.models)
    tests = seed_groups.test_all(groups, result) if groups else []
    rendered = {file: seed_table.render(file, groups, tests, result) for file in table or ()}
    by_seed = [seed_groups.table(groups, tests, result)] if groups else []
    measured = measure(result.models, num_threads or 1) if latency else None
    facts, unknown = costs.collect(result, measured)
    plain = [*costs.tables(result, facts, measured), tables.parameters(experiments)]
    all_tables = [*by_seed, tables.scores(result), tables.differences(result), *plain]
    remarks = [*seed_groups.remarks(groups, tests, result), *result.notes, *unknown]
    remarks += other_inputs(experiments)
    title = experiments[0].parameters.export.name
    over_seeds = seed_groups.verdicts(groups, tests, result)
    text = page.page(result, plain, remarks, title, (over_seeds, by_seed))
    artifacts.replace_text(html, text)
    if markdown is not None:
        text = tables.as_markdown(result, all_tables, title, remarks, over_seeds)
        artifacts.replace_text(markdown, text)
    if csv is not None:
        artifacts.replace_text(csv, costs.as_csv(result, facts))
    for file, text in rendered.items():
        artifacts.replace_text(file, text)
    show(result, all_tables, over_seeds, remarks)
    for kind, file in files:
        if file is not None:
            print(f"{kind:11}{file}")
    print(f"page       {html}")


def check_files(files: Sequence[tuple[str, Path | None]]) -> None:
    """Check that the files of options can be written.

    Raises:
        InputError: the folder does not exist, the file is a folder, or two options name it.
    """
    taken: dict[Path, str] = {}
    for option, file in files:
        if file is None:
            continue
        if file.is_dir() or not file.parent.is_dir():
            kind = "is a folder" if file.is_dir() else f"there is no folder {file.parent}"
            raise InputError(f"--{option} {file}: {kind}; name a file in an existing folder")
        if other := taken.get(file.resolve()):
            raise InputError(f"--{option} {file}: --{other} writes that file too; name another")
        taken[file.resolve()] = option


def show(
    result: Comparison,
    all_tables: Sequence[Table],
    over_seeds: Sequence[Verdict],
    remarks: Sequence[str],
) -> None:
    """Print the verdicts, the tables and how they were made."""
    console = Console(highlight=False, soft_wrap=True)
    for verdict in over_seeds:
        console.print(f"[bold]{escape(verdict.text)}[/]")
    for comparison in result.comparisons:
        console.print(f"[bold]{escape(verdicts.verdict(comparison, result))}[/]")
        console.print(verdicts.changed_rows(comparison, result), markup=False)
    for table in all_tables:
        if table.rows:
            table.print(console)
        else:
            console.print(f"{table.title}: none")
    for note in (verdicts.method(result), *remarks):
        console.print(note, markup=False)
