"""Add predictions to files of examples, reading and writing them in batches of rows.

`temper predict --model data/export --input new.csv --output scored.csv`

The input is read twice: first to find all columns and every value that the task cannot read, then
to predict. A row's missing columns are null.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer
from tqdm import tqdm

from temper.cli import csv_option, lock_note, predicted_file
from temper.cli import zero_shot as zero_shot_model
from temper.cli.input_rows import Batch, chunks, find_input, read_batches, survey
from temper.cli.options import Model, TrustCode
from temper.cli.pinned import NOT_A_COMMAND
from temper.cli.without_torch import without_torch
from temper.core import cores
from temper.core.errors import InputError, naming_rows
from temper.ingest import local_files
from temper.ingest.columns import ColumnBatch, num_rows
from temper.models import light_imports
from temper.prediction import profile
from temper.prediction.batches import BATCH_TOKENS
from temper.prediction.engines import needs_torch
from temper.prediction.predictor import open_export

if TYPE_CHECKING:
    from temper.prediction.drift import Watch

CHUNK_ROWS = 1000
DRIFTED = 3  # exit status


class Opened(NamedTuple):
    """A model that can predict."""

    inputs: dict[str, str]  # column → type of its values
    predict: Callable[[ColumnBatch], ColumnBatch]  # inputs → the columns to add
    chunk_rows: int
    watch: "Watch | None" = None  # counts rows, to compare them with those of validation
    num_cut: Callable[[], int] = int  # rows so far that were longer than what the model reads
    limit: str = "tokenize.max_length"  # the name of how much it reads


def predict(
    model: Model,
    input: Annotated[
        Path, typer.Option(help="A file of a format that training reads, or a folder.")
    ],
    output: Annotated[Path, typer.Option(help="CSV, TSV, JSONL or Parquet.")],
    engine: Annotated[str, typer.Option(help="auto, onnx, int8 or torch.")] = "auto",
    batch_tokens: Annotated[
        int, typer.Option(min=1, help="Most tokens per forward pass, padding included.")
    ] = BATCH_TOKENS,
    num_threads: Annotated[int, typer.Option(min=1, help="Threads.")] = cores.num_usable(),
    trust_code: TrustCode = False,
    csv: csv_option.CsvOption = None,
    zero_shot: Annotated[
        str | None,
        typer.Option(
            help="Labels such as 'spam, not spam'; --model is then no export but a model of "
            "natural-language inference, or like CLIP."
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(help="With --zero-shot: column of the texts, or several. Default: the only."),
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="With --zero-shot: column of the images.")
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            help="With --zero-shot: sentence with {} for a label. Default: "
            f"{zero_shot_model.TEMPLATE!r}."
        ),
    ] = None,
    prompt: Annotated[
        Literal["query", "document"],
        typer.Option(help="Of an embeddings model with prompts: which one texts get."),
    ] = "query",
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="End with status 3 where drift is reported.")
    ] = False,
    context: typer.Context = NOT_A_COMMAND,
) -> None:
    """Add predictions to every row of a file, in its order."""
    if context is not None:  # else another program, which may need what is left out
        light_imports.leave_out_of_predicting(has_code=trust_code)
    files = find_input(input)
    predicted_file.check_output(output, files)
    csv_params, notes = csv_option.parse_csv(csv), {}  # on how files are read, once each
    local_files.check_csv(files, csv_params, "--csv")
    read = partial(read_batches, input, files, csv_params, notes.setdefault)
    if zero_shot is not None:
        if engine != "auto" or trust_code or batch_tokens != BATCH_TOKENS or prompt != "query":
            raise InputError(
                "--engine, --batch-tokens, --trust-code and --prompt are for an export, not for "
                "--zero-shot"
            )
        if fail_on_drift:
            raise InputError("--fail-on-drift is for an export, not for --zero-shot")
        options = zero_shot_model.Options(zero_shot, text or [], image, template)
        opened = open_zero_shot(model, options, read, num_threads)
    else:
        if text or image or template:
            raise InputError("--text, --image and --template are for --zero-shot; it is not given")
        uses_torch = trust_code or engine == "torch" or needs_torch(model)
        with nullcontext() if uses_torch or context is None else without_torch():
            opened = open_trained(
                model, engine, batch_tokens, num_threads, trust_code=trust_code, prompt=prompt
            )
    if fail_on_drift and prompt != "query":
        raise InputError("--fail-on-drift compares rows with the queries of validation")
    if fail_on_drift and opened.watch is None:
        raise InputError(
            f"--fail-on-drift: there is no {model / profile.FILE} to compare rows with; export "
            "with export.data_profile: true (language models have none)"
        )
    count = write_predictions(opened, read, output)
    if num_cut := opened.num_cut():
        longer, cut = ("is", "it was") if num_cut == 1 else ("are", "they were")
        rows = f"{num_cut:,} of {count:,} row{'s' * (count != 1)}"
        notes[f"{rows} {longer} longer than {opened.limit}: {cut} cut"] = None
    written = predicted_file.describe(output)
    print(*notes, f"wrote {count:,} row{'s' * (count != 1)} to {output}{written}", sep="\n")
    if report_drift(opened.watch, fails=fail_on_drift):
        raise typer.Exit(DRIFTED)


def open_trained(
    model: Path,
    engine: str,
    batch_tokens: int,
    num_threads: int,
    *,
    trust_code: bool,
    prompt: str,
) -> Opened:
    """Load an export; rows with the prompt of documents are not compared with validation's.

    Raises:
        InputError: see `open_export`.
    """
    predictor = open_export(
        *(model, engine),
        batch_tokens=batch_tokens,
        num_threads=num_threads,
        trust_code=trust_code,
        watches=prompt == "query",
        prompt=prompt,
    )
    lock_note.print_if_other(model)
    inputs = predictor.settings.task.inputs
    num_cut = partial(getattr, predictor, "num_cut")
    limit = predictor.input_limit[1]
    return Opened(inputs, predictor.predict, CHUNK_ROWS, predictor.watch, num_cut, limit)


def open_zero_shot(
    model: Path,
    options: zero_shot_model.Options,
    read: Callable[[], Iterator[Batch]],
    num_threads: int,
) -> Opened:
    """Load a model that was not trained on the labels; the rows say which columns there are.

    Raises:
        InputError: see `zero_shot.open_model`.
    """
    columns = list(next(read(), Batch("", 0, {})).columns)
    inputs, predict_columns = zero_shot_model.open_model(model, options, columns, num_threads)
    return Opened(inputs, predict_columns, zero_shot_model.CHUNK_ROWS)


def report_drift(watch: "Watch | None", *, fails: bool) -> bool:
    """Print in which facts the rows differ from those of validation; return whether that fails.

    Where it would fail, too few rows to tell are a line too.
    """
    found = watch.findings() if watch is not None else []
    for line in found:
        print(line, file=sys.stderr)
    if fails and watch is not None and not watch.has_enough_rows:
        print(f"--fail-on-drift: {watch.describe_rows()}", file=sys.stderr)
    return fails and bool(found)


def write_predictions(opened: Opened, read: Callable[[], Iterator[Batch]], output: Path) -> int:
    """Write all rows with their predictions, and return their number; they are read twice."""
    inputs, predict_columns, chunk_rows, *_ = opened
    suffix = output.suffix.lower()
    added = [*predict_columns({name: [] for name in inputs})]
    count, types = survey(read(), inputs, added, suffix)
    first = 0
    with (
        tqdm(total=count, unit="row", unit_scale=True, disable=None) as bar,
        predicted_file.open_output(output, types) as write,
    ):
        for given, examples in chunks(read(), [*types], inputs, chunk_rows):
            with naming_rows("--input", first):
                write(given | predict_columns(examples))
            first += num_rows(examples)
            bar.update(num_rows(examples))
        if not count:
            write({name: [] for name in types} | predict_columns({name: [] for name in inputs}))
    return count
