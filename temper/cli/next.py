"""Pick rows of an unlabelled file whose labels would teach the model most.

`temper next --pool unlabelled.jsonl -n 200`
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from temper import params
from temper.cli import lock_note, options, predicted_file
from temper.cli.csv_option import CsvOption, parse_csv
from temper.cli.input_rows import find_input, read_batches
from temper.cli.pinned import NOT_A_COMMAND, pin
from temper.core import cores
from temper.core.errors import InputError
from temper.ingest import local_files
from temper.ingest.columns import (
    ColumnBatch,
    get_column,
    is_empty,
    locate_in,
    num_rows,
    read_inputs,
)

if TYPE_CHECKING:
    from temper.data_loop.pool import Chosen


def next(
    pool: Annotated[Path, typer.Option(help="A file of unlabelled rows, or a folder.")],
    rows: Annotated[int, typer.Option("-n", "--rows", min=1, help="Rows to pick.")] = 100,
    output: Annotated[Path, typer.Option(help="The picked rows: .csv, .tsv or .jsonl.")] = Path(
        "next.csv"
    ),
    model: options.Model = options.EXPORT,
    csv: CsvOption = None,
    context: typer.Context = NOT_A_COMMAND,
) -> None:
    """Pick the rows of an unlabelled file to label next."""
    parameters = params.load()
    from temper.data_loop import pool as pools
    from temper.data_loop import row_labels

    row_labels.check_task(parameters, row_labels.NEXT)
    files = find_input(pool, "--pool")
    check_output(output, files)
    csv_params = parse_csv(csv)
    local_files.check_csv(files, csv_params, "--csv")
    pin(parameters, context)
    from temper.prediction.predictor import open_export

    threads = cores.num_usable()
    predictor = open_export(model, "auto", num_threads=threads, trust_code=False)
    lock_note.print_if_other(model)
    task = predictor.settings.task
    if task.inputs != parameters.task.inputs:
        raise InputError(
            f"--model {model}: reads {', '.join(task.inputs)}, and params.yaml has "
            f"{', '.join(parameters.task.inputs)}; export the model of params.yaml (dvc repro)"
        )
    notes: dict[str, None] = {}
    read = partial(read_batches, pool, files, csv_params, notes.setdefault)
    given, examples = read_pool(read, task.inputs)
    pools.check_columns(given)
    given, examples, num_labelled = without_labelled(task.label_columns, given, examples)
    chosen = pools.choose(parameters, predictor, examples, rows)
    print(*notes, sep="\n", end="\n" * bool(notes))
    blank = [name for name in task.label_columns if name not in given]
    write(chosen, given, blank, output)
    skipped = f"{chosen.num_known:,} rows are in the data and {chosen.num_repeated:,} repeat others"
    labelled = f", and {num_labelled:,} that have a label" if num_labelled else ""
    print(f"{num_rows(examples):,} rows in {pool}{labelled}; {skipped}")
    print(f"wrote {len(chosen.rows):,} of the other {chosen.num_new:,} to {output}")
    print(f"next   fill in {', '.join(blank or task.label_columns)}, and add the rows to train")


def check_output(output: Path, files: list[Path]) -> None:
    """Refuse a path where the rows cannot go, or would replace a file.

    Raises:
        InputError: as `predicted_file.check_output`, Parquet, or a file that is there.
    """
    predicted_file.check_output(output, files)
    if output.suffix.lower() == ".parquet":
        raise InputError(f"--output {output}: write .csv, .tsv or .jsonl, to fill in labels")
    if output.exists():
        raise InputError(
            f"--output {output}: is there already, perhaps with labels filled in; name another "
            "file, or remove it"
        )


def write(chosen: "Chosen", given: ColumnBatch, blank: Sequence[str], output: Path) -> None:
    """Write the picked rows: empty columns for labels, the pool's own, what the model says."""
    columns: ColumnBatch = {name: [None] * len(chosen.rows) for name in blank}
    columns |= {name: [values[i] for i in chosen.rows] for name, values in given.items()}
    said = {"prediction": chosen.predictions, "margin": chosen.margins, "why": chosen.why}
    with predicted_file.open_output(output, {}) as write_batch:
        write_batch(columns | said)


def read_pool(read: Any, inputs: dict[str, str]) -> tuple[ColumnBatch, ColumnBatch]:
    """Return the columns of all rows, without images, and the model's inputs, converted.

    Raises:
        InputError: an input is missing or cannot be read.
    """
    given: ColumnBatch = {}
    examples: ColumnBatch = {name: [] for name in inputs}
    for source, first_row, columns in read():
        count = num_rows(examples)
        for name in inputs:
            if columns:
                get_column(columns, name, source)
        if PurePath(source).suffix.lower() in local_files.IMAGES:  # a folder of the pool: no label
            columns = {k: v for k, v in columns.items() if k != "label"} | {"file": [source]}
        for name in columns:
            if inputs.get(name) != "image":
                given.setdefault(name, [None] * count)
        for name in given:
            given[name] += columns.get(name, [None] * num_rows(columns))
        for name, values in read_inputs(columns, inputs, locate_in(source, first_row)).items():
            examples[name] += values
    if not num_rows(examples):
        raise InputError("--pool: no rows")
    return given, examples


def without_labelled(
    label_columns: Sequence[str], given: ColumnBatch, examples: ColumnBatch
) -> tuple[ColumnBatch, ColumnBatch, int]:
    """Return both without the rows that have a label, and how many these are.

    Raises:
        InputError: all have one.
    """
    labels = [given[name] for name in label_columns if name in given]
    unlabelled = [
        i
        for i in range(num_rows(examples))
        if all(is_empty(v[i]) or v[i] in (-1, "-1", []) for v in labels)
    ]
    num_labelled = num_rows(examples) - len(unlabelled)
    if not unlabelled:
        raise InputError(
            f"--pool: all of its {num_labelled:,} rows have a label in {', '.join(label_columns)}; "
            "nothing is left"
        )
    given, examples = (
        {name: [values[i] for i in unlabelled] for name, values in columns.items()}
        for columns in (given, examples)
    )
    return given, examples, num_labelled
