"""The splits as training reads them, each row with its place in the user's files.

The files are read by the code that writes data/raw, into a scratch folder. What is read beside the
task's columns is one number per row: its position in its source.
"""

import bisect
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper.core import arrow
from temper.core.errors import InputError
from temper.core.scratch import scratch_folder
from temper.ingest import dataset, local_files
from temper.ingest.columns import ColumnBatch, num_rows
from temper.ingest.text_files import Note
from temper.params.data import DataParams
from temper.params.schema import Params

if TYPE_CHECKING:
    from datasets import DatasetDict

POSITION = "temper_position"  # column: the row's number in its source, from 0
RAW = Path("data/raw")


@dataclass(frozen=True, order=True)
class Place:
    """Where a row is: a file or an archive's member, and its number there, from 1."""

    file: str
    row: int

    def __str__(self) -> str:
        return f"{self.file} row {self.row}"


@dataclass
class Source:
    """The members that a split is read from: name, and the position of its first row."""

    members: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    num_rows: int = 0

    def place(self, position: int) -> Place:
        member = bisect.bisect_right(self.starts, position) - 1
        return Place(self.members[member], position - self.starts[member] + 1)


@dataclass(frozen=True)
class Rows:
    """The splits and where their rows come from."""

    splits: "DatasetDict"
    sources: Mapping[str, Source]  # of each split, perhaps that of train
    folder: Path  # of the splits

    def place(self, split: str, row: int) -> Place:
        positions: Any = self.splits[split][POSITION]
        return self.sources[split].place(int(positions[row]))


@contextmanager
def open_rows(parameters: Params, note: Note) -> Iterator[Rows]:
    """Yield the splits of the local files, or those of data/raw if the data are the Hub's.

    Folds are put aside: all of train is read as train.

    Raises:
        InputError: the data cannot be read, or data/raw is not there.
    """
    data = parameters.data
    if data.source == "hub":
        yield read_raw()
        return
    overlap = "report" if data.overlap == "error" else data.overlap
    changes = {"fold": None, "overlap": overlap, "extra_columns": (*data.extra_columns, POSITION)}
    Path("data").mkdir(exist_ok=True)
    with scratch_folder() as folder:
        sources = {split: Source() for split in data.files}
        batches = {split: read(split, data, source, note) for split, source in sources.items()}
        target = folder / "raw"
        data = data.model_copy(update=changes)
        summary = dataset.write(batches, parameters.task, data, target)
        for text in summary.get("notes", ()):
            note(text)
        splits = arrow.load(target)
        cut_from = {name: entry["cut_from"] for name, entry in summary["splits"].items()}
        of_splits = {str(name): sources[cut_from[str(name)] or str(name)] for name in splits}
        yield Rows(splits, of_splits, target)


def read(split: str, data: DataParams, source: Source, note: Note) -> Iterator[ColumnBatch]:
    """Yield the batches of a split's files, with positions; fill in `source`."""
    files = local_files.find_files(data.files[split], split, data.glob)
    for file in files:
        for member, batches in local_files.read_members(file, data.csv, note):
            source.members.append(member)
            source.starts.append(source.num_rows)
            for batch in batches:
                count = num_rows(batch)
                if not batch:
                    continue
                positions = [str(i) for i in range(source.num_rows, source.num_rows + count)]
                yield batch | {POSITION: positions}
                source.num_rows += count


def renamed(cells: Mapping[str, Any], parameters: Params) -> dict[str, Any]:
    """Return a row's columns under the names of `data.rename`."""
    names = parameters.data.rename or {}
    return {names.get(name, name): value for name, value in cells.items()}


def read_raw() -> Rows:
    """Return the splits of data/raw, which are their own source.

    Raises:
        InputError: it is not there.
    """
    if not (RAW / "summary.json").exists():
        raise InputError(f"{RAW} is missing; run dvc repro download@dataset")
    splits, sources = arrow.load(RAW), {}
    for split, rows in splits.items():
        splits[split] = rows.add_column(POSITION, [str(i) for i in range(len(rows))])  # type: ignore
        sources[split] = Source([f"{RAW}/{split}"], [0], len(rows))
    return Rows(splits, sources, RAW)


def cells_at(data: DataParams, places: Collection[Place]) -> dict[Place, dict[str, Any]]:
    """Return the columns of rows as their files have them, without the bytes of images."""
    found: dict[Place, dict[str, Any]] = {}
    for split in data.files:
        source, first = Source(), 0
        for batch in read(split, data, source, str):
            for i in range(num_rows(batch)):
                if (place := source.place(first + i)) in places:
                    cells = {name: values[i] for name, values in batch.items() if name != POSITION}
                    found[place] = {k: v for k, v in cells.items() if not isinstance(v, bytes)}
            first += num_rows(batch)
    return found


def read_cells(
    parameters: Params, rows: Rows, split: str, wanted: Sequence[int]
) -> list[dict[str, Any]]:
    """Return the columns of some rows of a split, in order; see `cells_at`."""
    if parameters.data.source == "files":
        places = [rows.place(split, row) for row in wanted]
        found = cells_at(parameters.data, set(places))
        return [found[place] for place in places]
    dropped = {POSITION} | {k for k, kind in parameters.task.inputs.items() if kind == "image"}
    kept = [name for name in rows.splits[split].column_names if name not in dropped]
    return [dict(row) for row in rows.splits[split].select(wanted).select_columns(kept)]


def label_names(parameters: Params, rows: Rows) -> list[str]:
    """Return the names of the labels in the order of their ids."""
    feature: Any = rows.splits["train"].features[(parameters.task.target or ("",))[0]]
    return list(getattr(feature, "feature", feature).names)
