"""List the training rows whose labels look wrong, and put corrections into a copy of the data.

`temper doubts`, then, with the list's empty column filled in, `temper doubts --apply doubts.csv`
"""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from temper import params
from temper.cli.pinned import NOT_A_COMMAND, pin
from temper.core.errors import InputError
from temper.evaluation.text_tables import Table, truncate
from temper.training import distributed

if TYPE_CHECKING:
    from temper.data_loop.doubt_list import DoubtList


OUTPUT, FOLDS = Path("doubts.csv"), 5
SHOWN = 10  # rows on the console
WIDTH = 40  # characters of a row's text there


def doubts(
    output: Annotated[Path, typer.Option(help="The list to write, a CSV file.")] = OUTPUT,
    apply: Annotated[
        Path | None,
        typer.Option(help="Write the corrections of this list to a copy of the data instead."),
    ] = None,
    rows: Annotated[
        int | None, typer.Option("-n", "--rows", min=1, help="List so many rows at most.")
    ] = None,
    judge: Annotated[
        Literal["linear", "trained"],
        typer.Option(
            help="linear: on the checkpoint's vectors, a pass of the model. trained: a "
            "training with params.yaml per fold."
        ),
    ] = "linear",
    folds: Annotated[
        int, typer.Option(min=2, help="A row is judged by the rows of the other folds.")
    ] = FOLDS,
    similarity: Annotated[
        float | None,
        typer.Option(
            min=0.5, max=1.0, help="Of near-duplicates, at least. Default: 0.8; of images 0.98."
        ),
    ] = None,
    context: typer.Context = NOT_A_COMMAND,
) -> None:
    """List training rows whose labels look wrong, or apply the list once it is corrected."""
    parameters = params.load()
    if apply is not None:
        check_apply(output, rows, judge, folds, similarity)
        print_corrections(parameters, apply)
        return
    check_output(output)
    if judge == "trained":
        distributed.restrict_visible_gpus("single")
    pin(parameters, context)
    from temper.data_loop import doubt_list

    notes: dict[str, None] = {}
    found = doubt_list.find(
        parameters, notes.setdefault, judge=judge, folds=folds, similarity=similarity, limit=rows
    )
    doubt_list.write(found.rows, output)
    print(*notes, sep="\n", end="\n" * bool(notes))
    show(found, folds)
    print_next(found, output)


def print_next(found: "DoubtList", output: Path) -> None:
    """Print where the list is, and what to do with it."""
    print(f"wrote {len(found.rows):,} of {found.num_doubted:,} rows with a doubt to {output}")
    if found.rows:
        print(
            "next   fill in corrected_label where a label is wrong, leave it empty "
            f"elsewhere;\n       temper doubts --apply {shlex.quote(str(output))}"
        )


def print_corrections(parameters: params.Params, path: Path) -> None:
    """Write the corrected copy, and print what to run next."""
    from temper.data_loop import corrections

    count, targets = corrections.apply(parameters, path)
    print(f"rows corrected in {targets['train']}: {count:,}")
    print(*corrections.next_steps(targets), sep="\n")


def check_apply(
    output: Path, rows: int | None, judge: str, folds: int, similarity: float | None
) -> None:
    """Refuse options of a new list beside `--apply`.

    Raises:
        InputError: names them.
    """
    given = {
        "--output": output != OUTPUT,
        "--rows": rows is not None,
        "--judge": judge != "linear",
        "--folds": folds != FOLDS,
        "--similarity": similarity is not None,
    }
    if names := [name for name, is_given in given.items() if is_given]:
        raise InputError(
            f"{', '.join(names)}: for a new list, and --apply reads one; remove it (the copy is "
            "named after the data: reviews.corrected.csv)"
        )


def check_output(output: Path) -> None:
    """Refuse a path where the list cannot go, or would replace anything but an untouched list.

    Raises:
        InputError: a folder, no folder, another format, another file, or a list with corrections.
    """
    from temper.data_loop import corrections

    if output.suffix.lower() != ".csv":
        raise InputError(f"--output {output}: expected the name of a .csv file")
    if output.is_dir() or not output.parent.is_dir():
        raise InputError(f"--output {output}: {output.parent} must be a folder, and this no folder")
    if not output.exists():
        return
    try:
        count = len(corrections.read(output))
    except InputError as error:
        raise InputError(
            f"--output {output}: is there already, and no list of temper doubts ({error}); name "
            "another file"
        ) from None
    if count:
        raise InputError(
            f"--output {output}: has {count:,} corrections, which a new list would replace; apply "
            "them first (temper doubts --apply), or name another file"
        )


def show(found: "DoubtList", folds: int) -> None:
    """Print what judged the labels, and the most doubtful rows."""
    print(
        f"{found.num_rows:,} training rows, {folds} folds, {found.judge}:\n"
        f"it agrees with {found.agreement:.1%} of the labels; about {found.expected:,} look wrong"
    )
    if not found.rows:
        return
    table = Table("most doubtful", ["score", "label", "suggested", "row", "where"], [])
    for row in found.rows[:SHOWN]:
        text = " | ".join(str(value) for value in row.cells.values())
        where = f"{row.place.file}:{row.line}" if row.line is not None else str(row.place)
        table.rows.append(
            [f"{row.score:.3f}", row.current, row.suggested, truncate(text, WIDTH), where]
        )
    table.print(Console(highlight=False))
